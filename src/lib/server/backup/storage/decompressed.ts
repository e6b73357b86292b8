import { pipeline, Readable } from 'node:stream';
import type { Gunzip, ZstdDecompress } from 'node:zlib';

/**
 * What a decompressor of node:zlib makes of bytes. Fails if it does not read all of them: it stops without
 * an error at what it takes for the end.
 */
export async function* decompressed(
	bytes: AsyncIterable<Uint8Array>,
	decompressor: Gunzip | ZstdDecompress,
): AsyncGenerator<Uint8Array, void, void> {
	let given = 0;
	let ended = false;
	const counted = async function* () {
		for await (const chunk of bytes) {
			given += chunk.length;
			yield chunk;
		}
		ended = true;
	};
	// The reader gets the error.
	yield* pipeline(Readable.from(counted()), decompressor, () => {});
	if (!ended || decompressor.bytesWritten !== given) {
		throw new Error('there are bytes after the end of the compressed data');
	}
}
