import type { SqlSource } from '../restore/source.ts';
import { encrypted } from '../storage/codec.ts';
import type { StoredVolume } from '../storage/volume.ts';
import { isDamage } from './damage.ts';
import { decodedParts } from './decode.ts';
import { type Chain, partsOf, wholeVolume } from './parts.ts';
import { type OpenVolume, PartReader } from './reader.ts';

/** A backup's files, wherever they are. */
export interface BackupFiles extends Chain {
	/** Identities of age, any of which may open the volumes. */
	identities?: string[];
	/** Opens a volume of the backup, or of its parent. */
	open: OpenVolume;
}

/**
 * The SQL of a backup, to be run. Each reading compares all stored bytes with the manifest before it
 * decodes the first of them, and again while it decodes them, because they may be replaced at any time.
 *
 * Reading throws `backup_damaged`, `parent_missing` and `parent_differs` (422) at the first difference,
 * `backup_encrypted` (409) and `identity_wrong` (422) if the backup cannot be opened, and an error if the
 * reader stops before the end.
 */
export function sqlOf(files: BackupFiles): SqlSource {
	return {
		open: () =>
			toTheEnd(async function* () {
				for await (const bytes of storedBytes(files)) void bytes;
				yield* decodedFiles(files);
			}),
	};
}

/**
 * The SQL of a backup, its stored bytes compared while it is read. Throws what {@link sqlOf}
 * throws.
 */
export function sqlOnce(files: BackupFiles): SqlSource {
	return { open: () => toTheEnd(() => decodedFiles(files)) };
}

/** Reads a volume of a backup as stored, only to compare it. Throws `backup_damaged` (422). */
export async function readThrough({ open }: BackupFiles, volume: StoredVolume): Promise<void> {
	const reader = new PartReader(open, [wholeVolume(volume)]);
	try {
		for await (const chunk of reader.read(0)) void chunk;
	} finally {
		await reader.close();
	}
}

/**
 * The stored bytes of a backup, in the order of its SQL, those of a differential's parent included. They
 * are compared only after they were given. Throws `backup_damaged`, `parent_missing` and
 * `parent_differs` (422).
 */
export async function* storedBytes(files: BackupFiles): AsyncGenerator<Uint8Array, void, void> {
	const parts = partsOf(files);
	const reader = new PartReader(files.open, parts);
	try {
		for (const number of parts.keys()) yield* reader.read(number);
	} finally {
		await reader.close();
	}
}

/**
 * Compares all stored bytes with the manifest. Returns a sentence for each volume that differs. Throws if
 * the files cannot be read.
 */
export async function compareStored(
	files: BackupFiles,
	onChunk: (length: number) => void,
): Promise<string[]> {
	const differences = new Map<string, string>();
	const parts = partsOf(files);
	const reader = new PartReader(files.open, parts);
	try {
		for (const [number, { volume }] of parts.entries()) {
			if (differences.has(volume.key)) continue;
			try {
				for await (const { length } of reader.read(number)) onChunk(length);
			} catch (error) {
				if (!isDamage(error)) throw error;
				differences.set(volume.key, error.message);
			}
		}
	} finally {
		await reader.close();
	}
	return [...differences.values()];
}

/** Stored bytes of a backup, those of a differential's parent included. Throws what {@link partsOf} throws. */
export function storedBytesOf(chain: Chain): number {
	return partsOf(chain).reduce((sum, { bytes }) => sum + bytes, 0);
}

/** Throws `backup_encrypted` (409) if a backup is encrypted and there is no identity to open it. */
export function requireLegible(files: BackupFiles): void {
	if (!isLegible(files)) throw encrypted();
}

/** Whether there are identities to open a backup, if it is encrypted. */
export function isLegible({ manifest, identities = [] }: BackupFiles): boolean {
	return manifest.encryption === null || identities.length > 0;
}

function decodedFiles(files: BackupFiles): AsyncGenerator<Uint8Array, void, void> {
	return decodedParts(files.open, partsOf(files), files.identities ?? []);
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
