import { Buffer } from 'node:buffer';
import * as zlib from 'node:zlib';
import { LifeboatError } from '../../errors.ts';
import { decompressed } from './decompressed.ts';
import { blocksOf } from './zstd-blocks.ts';

// zstd files (RFC 8878).

/** Level 2 saves another 13%, and takes 1.4 ms more CPU time for each MB. */
const LEVEL = 1;
/** Bytes of output chunks. */
const CHUNK_BYTES = 64 * 1024;
/** Bytes of SQL that are held back for the end of the frame. */
const TAIL_BYTES = 16;
/** The most bytes of that end: a block of the tail, which has a header of 3 bytes, and the checksum of 4. */
const END_BYTES = TAIL_BYTES + 3 + 4;
/** Throws `zstd_unavailable` (500) unless this runtime has zstd: Node before 22.15 and old workerd do not. */
export function requireZstd(): void {
	if ('zstdCompressSync' in zlib) return;
	throw new LifeboatError('This runtime cannot compress or decompress with zstd.', {
		code: 'zstd_unavailable',
		status: 500,
		hint: 'Set BACKUP_COMPRESSION to gzip, or update wrangler. To read a .zst file here, unpack it with `zstd -d` first.',
	});
}

/**
 * Makes frames with a checksum, one after the other, with one native context, because only the garbage
 * collector frees these. workerd fails with "Unexpected end of file" if the end of a frame does not fit
 * into what is left of an output chunk (zlib-util.c++, ZstdEncoderContext::getError). So it comes only
 * where there is room: the last bytes are flushed one by one, each as a block of 4 bytes, until the next
 * chunk begins. Throws `zstd_unavailable` (500).
 */
export class ZstdEncoder {
	readonly #zstd: zlib.ZstdCompress;
	readonly #ready: Uint8Array[] = [];
	/** Bytes of output that were read. */
	#read = 0;

	constructor() {
		requireZstd();
		const { ZSTD_c_compressionLevel, ZSTD_c_checksumFlag } = zlib.constants;
		const params = { [ZSTD_c_compressionLevel]: LEVEL, [ZSTD_c_checksumFlag]: 1 };
		this.#zstd = zlib.createZstdCompress({ chunkSize: CHUNK_BYTES, params });
		this.#zstd.on('data', (bytes: Uint8Array) => {
			this.#read += bytes.length;
			this.#ready.push(bytes);
		});
		this.#zstd.on('error', () => {}); // the call under way gets it
	}

	/** A frame of these bytes. */
	async frame(bytes: Uint8Array): Promise<Uint8Array> {
		await this.#write(bytes.subarray(0, -TAIL_BYTES));
		await this.#flush(zlib.constants.ZSTD_e_flush);
		let tail = bytes.subarray(-TAIL_BYTES);
		while (tail.length > 0 && this.#room <= END_BYTES) {
			await this.#write(tail.subarray(0, 1));
			tail = tail.subarray(1);
			await this.#flush(zlib.constants.ZSTD_e_flush);
		}
		await this.#write(tail);
		await this.#flush(zlib.constants.ZSTD_e_end);
		return Buffer.concat(this.#ready.splice(0));
	}

	/** Bytes left in the output chunk, after a flush. */
	get #room(): number {
		return CHUNK_BYTES - ((this.#read + this.#zstd.readableLength) % CHUNK_BYTES);
	}

	#write(bytes: Uint8Array): Promise<void> {
		return called((done) => this.#zstd.write(bytes, done));
	}

	#flush(kind: number): Promise<void> {
		return called((done) => this.#zstd.flush(kind, done));
	}
}

function called(call: (done: (error?: Error | null) => void) => void): Promise<void> {
	return new Promise((resolve, reject) => call((error) => (error ? reject(error) : resolve())));
}

/**
 * Decompresses one or more frames in a row, like `zstd -d`. Anything else after them is an error. Throws
 * `zstd_unavailable` (500).
 */
export function unzstd(bytes: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
	requireZstd();
	return decompressed(blocksOf(bytes), zlib.createZstdDecompress({ chunkSize: CHUNK_BYTES }));
}
