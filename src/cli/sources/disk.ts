import { open, stat } from 'node:fs/promises';
import type { StoredRange } from '../../lib/server/backup/storage/bucket.ts';

/** Bytes per read. */
const CHUNK_BYTES = 1 << 20;

/** The size of a file in bytes; null if there is no such file. */
export async function sizeOf(path: string): Promise<number | null> {
	const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
		if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return null;
		throw error;
	});
	return found?.size ?? null;
}

/** A file's bytes, or a range of them; null if there is no such file. Throws the reason of the signal. */
export async function readFile(
	path: string,
	signal: AbortSignal,
	{ offset = 0, length = Infinity }: Partial<StoredRange> = {},
): Promise<AsyncIterable<Uint8Array> | null> {
	if ((await sizeOf(path)) === null) return null;
	return (async function* () {
		const handle = await open(path);
		const range = { start: offset, end: offset + length - 1 };
		for await (const chunk of handle.createReadStream({ highWaterMark: CHUNK_BYTES, ...range })) {
			signal.throwIfAborted();
			yield chunk;
		}
	})();
}
