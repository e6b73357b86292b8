import { createHash } from 'node:crypto';
import { LifeboatError } from '../errors.ts';
import { compareCores, compareTables } from './digest.ts';
import type { Manifest } from './manifest.ts';
import type { SqlSource } from './restore/source.ts';
import { type Survey, survey } from './restore/survey.ts';
import { decoded } from './storage/codec.ts';

/** A backup's files, wherever they are. */
export interface BackupFiles {
	manifest: Manifest;
	/** A volume as it is stored; null where it is missing. */
	open(key: string): Promise<AsyncIterable<Uint8Array> | null>;
}

/** What a verification or a drill found; `differences` are sentences, and none where it is proven. */
export interface Finding {
	proven: boolean;
	tables: number;
	rows: number;
	/** Bytes of SQL. */
	bytes: number;
	differences: string[];
}

/** Codes of errors that say that a backup is not what it should be, not that it could not be read. */
const DAMAGES = ['backup_damaged', 'sql_incomplete', 'sql_not_text', 'statement_too_long'];

/**
 * The SQL of a backup: its volumes in their order, decoded and joined, their stored bytes compared
 * with the manifest on the way. Reading it throws `backup_damaged` (422) at the first difference.
 */
export function sqlOf({ manifest, open }: BackupFiles): SqlSource {
	return {
		async *open() {
			for (const volume of manifest.volumes) {
				const stored = await open(volume.key);
				if (stored === null) throw damaged(`The volume ${volume.key} is missing.`);
				try {
					yield* decoded(checked(stored, volume), volume.encodings);
				} catch (error) {
					if (error instanceof LifeboatError) throw error;
					throw damaged(`The volume ${volume.key} cannot be decoded.`, error);
				}
			}
		},
	};
}

/**
 * Proves a backup as far as that goes without restoring it: the stored bytes against the manifest's
 * SHA-256, statements within what D1 takes, the rows as they stand in the file against the digests.
 * Damage is a difference, not an error. Throws where the files cannot be read at all.
 */
export async function verifyFiles(
	files: BackupFiles,
	onProgress: (bytes: number) => void = () => {},
): Promise<Finding & { survey: Survey | null }> {
	const { manifest } = files;
	try {
		const found = await survey(sqlOf(files), onProgress);
		const differences = differencesOf(manifest, found);
		return { ...finding(manifest, differences), survey: found };
	} catch (error) {
		if (!isDamage(error)) throw error;
		return { ...finding(manifest, [error.message]), survey: null };
	}
}

/** True for what says that a backup is not as it should be. */
export function isDamage(error: unknown): error is LifeboatError {
	return error instanceof LifeboatError && DAMAGES.includes(error.code);
}

function finding({ tables, volumes }: Manifest, differences: string[]): Finding {
	return {
		proven: differences.length === 0,
		tables: tables.length,
		rows: tables.reduce((sum, { rows }) => sum + rows, 0),
		bytes: volumes.reduce((sum, { sqlBytes }) => sum + sqlBytes, 0),
		differences,
	};
}

function differencesOf(manifest: Manifest, found: Survey): string[] {
	if (found.core === null) return ['The file is none that Lifeboat has written.'];
	const rows = compareTables(manifest.tables, found.tables);
	const said = compareCores(manifest, found.core).map((text) => `By the file's last line: ${text}`);
	const long = found.tooLong.map((number) => `Statement ${number} is longer than D1 takes.`);
	return [...rows, ...said, ...long];
}

async function* checked(
	stored: AsyncIterable<Uint8Array>,
	{ key, bytes, sha256 }: Manifest['volumes'][number],
): AsyncGenerator<Uint8Array, void, void> {
	const hash = createHash('sha256');
	let length = 0;
	for await (const chunk of stored) {
		hash.update(chunk);
		length += chunk.length;
		yield chunk;
	}
	if (length !== bytes) throw damaged(`The volume ${key} has ${length} bytes instead of ${bytes}.`);
	if (hash.digest('hex') !== sha256) {
		throw damaged(`The bytes of the volume ${key} are not those that were stored.`);
	}
}

function damaged(message: string, cause?: unknown): LifeboatError {
	return new LifeboatError(message, {
		code: 'backup_damaged',
		status: 422,
		hint: 'Take another backup. Keep this one: a part of it may still be of use.',
		cause,
	});
}
