import * as zlib from 'node:zlib';
import { LifeboatError } from '../../errors.ts';
import { decompressed } from './decompressed.ts';
import { blocksOf } from './zstd-blocks.ts';

// zstd files (RFC 8878).

/** Level 3, the default, took half as long again to save 2%. */
const LEVEL = 1;
/** Bytes of SQL in a frame. Smaller frames compress worse, and larger ones no better at this level. */
const FRAME_BYTES = 256 * 1024;
/** Bytes of decompressed chunks. */
const CHUNK_BYTES = 64 * 1024;

/** Throws `zstd_unavailable` (500) unless this runtime has zstd: Node before 22.15 and old workerd do not. */
export function requireZstd(): void {
	if ('zstdCompressSync' in zlib) return;
	throw new LifeboatError('This runtime cannot compress or decompress with zstd.', {
		code: 'zstd_unavailable',
		status: 500,
		hint: 'Set BACKUP_COMPRESSION to gzip. Existing .zst files need wrangler 4.67 or newer, or Node 22.15 or newer; `zstd -d` opens them without Lifeboat.',
	});
}

/**
 * zstd frames in a row, each with the size of its contents and their checksum; a volume without bytes is
 * one empty frame. Throws `zstd_unavailable` (500).
 */
export class ZstdEncoder {
	readonly #input = new Uint8Array(FRAME_BYTES);
	#filled = 0;
	#frames = 0;

	constructor() {
		requireZstd();
	}

	async push(bytes: Uint8Array): Promise<Uint8Array[]> {
		const frames: Uint8Array[] = [];
		let rest = bytes;
		while (rest.length > 0) {
			const taken = rest.subarray(0, FRAME_BYTES - this.#filled);
			this.#input.set(taken, this.#filled);
			this.#filled += taken.length;
			rest = rest.subarray(taken.length);
			if (this.#filled === FRAME_BYTES) frames.push(this.#frame());
		}
		return frames;
	}

	async end(): Promise<Uint8Array[]> {
		return this.#filled > 0 || this.#frames === 0 ? [this.#frame()] : [];
	}

	#frame(): Uint8Array {
		const frame = compressFrame(this.#input.subarray(0, this.#filled));
		this.#filled = 0;
		this.#frames++;
		return frame;
	}
}

/**
 * One frame. workerd's zstd fails with "Unexpected end of file" if the end of a frame does not fit into
 * the output chunk (zlib-util.c++, ZstdEncoderContext::getError), so the chunk has room for any frame.
 * Its `zstdCompressSync` uses chunks of that size only with `info`, and of 40 kB otherwise.
 */
function compressFrame(bytes: Uint8Array): Uint8Array {
	const { ZSTD_c_compressionLevel, ZSTD_c_checksumFlag } = zlib.constants;
	const result: unknown = zlib.zstdCompressSync(bytes, {
		chunkSize: compressBound(bytes.length),
		info: true,
		params: { [ZSTD_c_compressionLevel]: LEVEL, [ZSTD_c_checksumFlag]: 1 },
	});
	return (result as { buffer: Uint8Array }).buffer;
}

/** The most bytes that so many can become, and some more (zstd.h, ZSTD_COMPRESSBOUND). */
function compressBound(bytes: number): number {
	return bytes + (bytes >> 8) + 1024;
}

/**
 * Decompresses one or more frames in a row, like `zstd -d`. Anything else after them is an error. Throws
 * `zstd_unavailable` (500).
 */
export function unzstd(bytes: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
	requireZstd();
	return decompressed(blocksOf(bytes), zlib.createZstdDecompress({ chunkSize: CHUNK_BYTES }));
}
