import { createGunzip, createGzip } from 'node:zlib';
import { decompressed } from './decompressed.ts';

// gzip files (RFC 1952).

/** Level 6, the default, took three times as long to save 6%. */
const LEVEL = 3;
/** Bytes of output chunks. */
const CHUNK_BYTES = 64 * 1024;

/**
 * One gzip member. It uses node:zlib because CompressionStream buffers all its input, whether or not the
 * output is read (workerd: compression.c++), and has only one level.
 */
export class GzipEncoder {
	readonly #gzip = createGzip({ level: LEVEL, chunkSize: CHUNK_BYTES });
	readonly #ready: Uint8Array[] = [];

	constructor() {
		this.#gzip.on('data', (bytes: Uint8Array) => this.#ready.push(bytes));
	}

	async push(bytes: Uint8Array): Promise<Uint8Array[]> {
		await new Promise<void>((resolve, reject) => {
			this.#gzip.write(bytes, (error) => (error ? reject(error) : resolve()));
		});
		return this.#ready.splice(0);
	}

	async end(): Promise<Uint8Array[]> {
		await new Promise<void>((resolve, reject) => {
			this.#gzip.once('end', resolve).once('error', reject).end();
		});
		return this.#ready.splice(0);
	}
}

/**
 * Decompresses one or more gzip members in a row, like gunzip. Anything else after them is an error:
 * zlib takes zeros for the end of its input (node_zlib.cc) and would never read what follows.
 */
export function gunzipped(bytes: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
	return decompressed(bytes, createGunzip({ chunkSize: CHUNK_BYTES }));
}
