import { createHash } from 'node:crypto';
import { LifeboatError } from '../../errors.ts';
import type { Manifest } from '../format/manifest.ts';
import type { BackupKey } from '../format/signature.ts';
import type { SqlSource } from '../restore/source.ts';
import { decoded, encrypted } from '../storage/codec.ts';
import type { StoredVolume } from '../storage/volume.ts';

/** A backup's files, wherever they are. */
export interface BackupFiles {
	manifest: Manifest;
	/** The key that signed the manifest; null or left out if unknown. */
	key?: BackupKey | null;
	/** Identities of age, any of which may open the volumes. */
	identities?: string[];
	/** A volume as it is stored; null if it is missing. */
	open(key: string): Promise<AsyncIterable<Uint8Array> | null>;
}

/** Codes of errors that mean that a backup is damaged, not that it could not be read. */
const DAMAGES = ['backup_damaged', 'sql_incomplete', 'sql_not_text', 'statement_too_long'];

/** True for errors that mean that a backup is damaged. */
export function isDamage(error: unknown): error is LifeboatError {
	return error instanceof LifeboatError && DAMAGES.includes(error.code);
}

/**
 * The SQL of a backup, to be run. Each reading compares the stored bytes of all volumes with the
 * manifest before it decodes the first of them, and again while it decodes them, because they may
 * be replaced at any time.
 *
 * Reading throws `backup_damaged` (422) at the first difference, `backup_encrypted` (409) and
 * `identity_wrong` (422) if the backup cannot be opened, and an error if the reader stops before
 * the end.
 */
export function sqlOf(files: BackupFiles): SqlSource {
	return {
		open: () =>
			toTheEnd(async function* () {
				for (const volume of files.manifest.volumes) await readThrough(files, volume);
				yield* decodedVolumes(files);
			}),
	};
}

/**
 * The SQL of a backup, its stored bytes compared while it is read. Throws what {@link sqlOf}
 * throws.
 */
export function sqlOnce(files: BackupFiles): SqlSource {
	return { open: () => toTheEnd(() => decodedVolumes(files)) };
}

/** Reads a volume as stored, only to compare it. Throws `backup_damaged` (422). */
export async function readThrough(
	files: BackupFiles,
	volume: StoredVolume,
	onChunk: (length: number) => void = () => {},
): Promise<void> {
	for await (const { length } of await openVolume(files, volume)) onChunk(length);
}

/** Throws `backup_encrypted` (409) if a backup is encrypted and there is no identity to open it. */
export function requireLegible(files: BackupFiles): void {
	if (!isLegible(files)) throw encrypted();
}

/** Whether there are identities to open a backup, if it is encrypted. */
export function isLegible({ manifest, identities = [] }: BackupFiles): boolean {
	return manifest.encryption === null || identities.length > 0;
}

/** All volumes in order, decoded and joined. */
async function* decodedVolumes(files: BackupFiles): AsyncGenerator<Uint8Array, void, void> {
	for (const volume of files.manifest.volumes) {
		const stored = await openVolume(files, volume);
		try {
			yield* decoded(stored, volume.encodings, files.identities);
		} catch (error) {
			if (error instanceof LifeboatError) throw error;
			throw damaged(`The volume ${volume.key} cannot be decoded.`, error);
		}
		if (!stored.compared) throw damaged(`The volume ${volume.key} continues after its end.`);
	}
}

/**
 * Only at the end is it known that all bytes are right, so a reader that stops earlier gets an
 * error.
 */
function toTheEnd(open: () => AsyncGenerator<Uint8Array, void, void>): AsyncIterable<Uint8Array> {
	const reading = open();
	return {
		[Symbol.asyncIterator]: () => ({
			next: () => reading.next(),
			async return() {
				await reading.return();
				throw new Error('The SQL was not read to its end, so it has not been verified.');
			},
		}),
	};
}

async function openVolume({ open }: BackupFiles, volume: StoredVolume): Promise<ComparedBytes> {
	const stored = await open(volume.key);
	if (stored === null) throw damaged(`The volume ${volume.key} is missing.`);
	return new ComparedBytes(stored, volume);
}

/** A volume as stored, to be read once. Throws `backup_damaged` (422) at the end if it differs. */
class ComparedBytes implements AsyncIterable<Uint8Array> {
	/** Whether all bytes were read and match the manifest. */
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
		if (length !== bytes) {
			throw damaged(`The volume ${key} has ${length} bytes instead of ${bytes}.`);
		}
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
		hint: 'Make another backup. Keep this one: parts of it may still be usable.',
		cause,
	});
}
