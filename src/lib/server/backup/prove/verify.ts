import { createHash } from 'node:crypto';
import { LifeboatError } from '../../errors.ts';
import { compareCores, compareTables, type Core } from '../format/digest.ts';
import type { Manifest, Scope } from '../format/manifest.ts';
import type { SqlSource } from '../restore/source.ts';
import { type Survey, survey } from '../restore/survey.ts';
import { type BackupKey, hideDigests } from '../format/signature.ts';
import { decoded, encrypted } from '../storage/codec.ts';
import type { StoredVolume } from '../storage/volume.ts';

/** A backup's files, wherever they are. */
export interface BackupFiles {
	manifest: Manifest;
	/** The key that the manifest is signed with; null or left out where that is not known here. */
	key?: BackupKey | null;
	/** Identities of age, any of which may open the volumes. */
	identities?: string[];
	/** A volume as it is stored; null where it is missing. */
	open(key: string): Promise<AsyncIterable<Uint8Array> | null>;
}

/** What a verification or a drill found; `differences` are sentences, and none where it is proven. */
export interface Finding {
	proven: boolean;
	scope: Scope;
	tables: number;
	rows: number;
	/** Bytes of SQL; as stored where the scope is that. */
	bytes: number;
	differences: string[];
}

/** Codes of errors that say that a backup is not what it should be, not that it could not be read. */
const DAMAGES = ['backup_damaged', 'sql_incomplete', 'sql_not_text', 'statement_too_long'];

/**
 * The SQL of a backup that is to be run. At each reading the stored bytes of all volumes are compared
 * with the manifest before the first of them is decoded, and once more while they are: they may be
 * replaced at any moment. Reading throws `backup_damaged` (422) at the first difference,
 * `backup_encrypted` (409) and `identity_wrong` (422) where it cannot be opened, and an error where
 * the reader leaves off before the end.
 */
export function sqlOf(files: BackupFiles): SqlSource {
	return {
		open: () =>
			toTheEnd(async function* () {
				for (const volume of files.manifest.volumes) await readThrough(files, volume);
				yield* contents(files);
			}),
	};
}

/**
 * Proves a backup as far as that goes without restoring it: the stored bytes against the manifest's
 * SHA-256, statements within what D1 takes, the rows as they stand in the file against the digests.
 * Of an encrypted backup without an identity only the stored bytes are compared, and the finding's
 * scope says so. Damage is a difference, not an error. Throws where the files cannot be read at all.
 */
export async function verifyFiles(
	files: BackupFiles,
	onProgress: (bytes: number) => void = () => {},
): Promise<Finding & { survey: Survey | null }> {
	const { manifest } = files;
	if (!isLegible(files)) {
		return { ...(await verifyStored(files, onProgress)), survey: null };
	}
	try {
		const found = await survey({ open: () => toTheEnd(() => contents(files)) }, onProgress);
		const differences = differencesOf(files, found);
		return { ...finding(manifest, differences), survey: found };
	} catch (error) {
		const differences = await damagesBehind(files, error);
		return { ...finding(manifest, differences), survey: null };
	}
}

/**
 * What is damaged, where an error comes of that: damage may look like a wrong identity, or like SQL
 * that D1 does not take. Throws the error where nothing is.
 */
async function damagesBehind(files: BackupFiles, error: unknown): Promise<string[]> {
	if (isDamage(error)) return [error.message];
	const { differences } = await verifyStored(files, () => {});
	if (differences.length === 0) throw error;
	return differences;
}

/** The stored bytes against the manifest, and no more. */
async function verifyStored(
	files: BackupFiles,
	onProgress: (bytes: number) => void,
): Promise<Finding> {
	const differences: string[] = [];
	let bytes = 0;
	for (const volume of files.manifest.volumes) {
		try {
			await readThrough(files, volume, (length) => onProgress((bytes += length)));
		} catch (error) {
			if (!isDamage(error)) throw error;
			differences.push(error.message);
		}
	}
	return {
		proven: differences.length === 0,
		scope: 'stored',
		tables: 0,
		rows: 0,
		bytes,
		differences,
	};
}

/** Throws `backup_encrypted` (409) when a backup is encrypted and there is no identity to open it. */
export function requireLegible(files: BackupFiles): void {
	if (!isLegible(files)) throw encrypted();
}

function isLegible({ manifest, identities = [] }: BackupFiles): boolean {
	return manifest.encryption === null || identities.length > 0;
}

/** True for what says that a backup is not as it should be. */
export function isDamage(error: unknown): error is LifeboatError {
	return error instanceof LifeboatError && DAMAGES.includes(error.code);
}

function finding({ tables, volumes }: Manifest, differences: string[]): Finding {
	return {
		proven: differences.length === 0,
		scope: 'contents',
		tables: tables.length,
		rows: tables.reduce((sum, { rows }) => sum + rows, 0),
		bytes: volumes.reduce((sum, { sqlBytes }) => sum + sqlBytes, 0),
		differences,
	};
}

function differencesOf(files: BackupFiles, found: Survey): string[] {
	if (found.core === null) return ['The file is none that Lifeboat has written.'];
	const rows = compareTables(found.core.tables, found.tables);
	const said = compareWithManifest(files, found.core).map(
		(text) => `By the file's last line: ${text}`,
	);
	const long = found.tooLong.map((number) => `Statement ${number} is longer than D1 takes.`);
	return [...rows, ...said, ...long];
}

/**
 * The digests in manifests of encrypted backups are hidden: without the key there are only names
 * and counts to compare.
 */
function compareWithManifest({ manifest, key }: BackupFiles, core: Core): string[] {
	if (!manifest.encryption) return compareCores(manifest, core);
	if (key) return compareCores(manifest, hideDigests(core, key));
	return compareCores(withoutDigests(manifest), withoutDigests(core));
}

function withoutDigests({ schema, tables }: Core): Core {
	const bare = <T extends { sha256: string }>(described: T): T => ({ ...described, sha256: '' });
	return { schema: bare(schema), tables: tables.map(bare) };
}

/** All volumes in their order, decoded and joined, their stored bytes compared on the way. */
async function* contents(files: BackupFiles): AsyncGenerator<Uint8Array, void, void> {
	for (const volume of files.manifest.volumes) {
		const stored = await openVolume(files, volume);
		try {
			yield* decoded(stored, volume.encodings, files.identities);
		} catch (error) {
			if (error instanceof LifeboatError) throw error;
			throw damaged(`The volume ${volume.key} cannot be decoded.`, error);
		}
		if (!stored.compared) throw damaged(`The volume ${volume.key} goes on behind its end.`);
	}
}

/** Whether all bytes are right is known at their end: who leaves off before gets an error. */
function toTheEnd(open: () => AsyncGenerator<Uint8Array, void, void>): AsyncIterable<Uint8Array> {
	const reading = open();
	return {
		[Symbol.asyncIterator]: () => ({
			next: () => reading.next(),
			async return() {
				await reading.return();
				throw new Error('The SQL was not read to its end, and so nobody knows what it is.');
			},
		}),
	};
}

/** Reads a volume as stored for the comparison alone. Throws `backup_damaged` (422). */
async function readThrough(
	files: BackupFiles,
	volume: StoredVolume,
	onChunk: (length: number) => void = () => {},
): Promise<void> {
	for await (const { length } of await openVolume(files, volume)) onChunk(length);
}

async function openVolume({ open }: BackupFiles, volume: StoredVolume): Promise<ComparedBytes> {
	const stored = await open(volume.key);
	if (stored === null) throw damaged(`The volume ${volume.key} is missing.`);
	return new ComparedBytes(stored, volume);
}

/** A volume as stored, to be read once. Its end throws `backup_damaged` (422) unless it is right. */
class ComparedBytes implements AsyncIterable<Uint8Array> {
	/** True when all bytes were read, and are those of the manifest. */
	compared = false;
	readonly #stored: AsyncIterable<Uint8Array>;
	readonly #volume: StoredVolume;

	constructor(stored: AsyncIterable<Uint8Array>, volume: StoredVolume) {
		this.#stored = stored;
		this.#volume = volume;
	}

	async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, void> {
		const { key, bytes, sha256 } = this.#volume;
		const hash = createHash('sha256');
		let length = 0;
		for await (const chunk of this.#stored) {
			hash.update(chunk);
			length += chunk.length;
			yield chunk;
		}
		if (length !== bytes)
			throw damaged(`The volume ${key} has ${length} bytes instead of ${bytes}.`);
		if (hash.digest('hex') !== sha256) {
			throw damaged(`The bytes of the volume ${key} are not those that were stored.`);
		}
		this.compared = true;
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
