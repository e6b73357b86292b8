import { open, stat } from 'node:fs/promises';

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

/** A file's bytes; null if there is no such file. Throws the reason of the signal. */
export async function readFile(
	path: string,
	signal: AbortSignal,
): Promise<AsyncIterable<Uint8Array> | null> {
	if ((await sizeOf(path)) === null) return null;
	const handle = await open(path);
	return (async function* () {
		for await (const chunk of handle.createReadStream({ highWaterMark: CHUNK_BYTES })) {
			signal.throwIfAborted();
			yield chunk;
		}
	})();
}
