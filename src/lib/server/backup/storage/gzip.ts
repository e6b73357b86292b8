import { createGunzip, gzipSync } from 'node:zlib';
import { decompressed } from './decompressed.ts';

// gzip files (RFC 1952).

/** Level 6, the default, took three times as long to save 6%. */
const LEVEL = 3;
/** Bytes of output chunks. */
const CHUNK_BYTES = 64 * 1024;

/** One gzip member. */
export function gzipped(bytes: Uint8Array): Uint8Array {
	return gzipSync(bytes, { level: LEVEL });
}

/**
 * Decompresses one or more gzip members in a row, like gunzip. Anything else after them is an error:
 * zlib takes zeros for the end of its input (node_zlib.cc) and would never read what follows.
 */
export function gunzipped(bytes: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
	return decompressed(bytes, createGunzip({ chunkSize: CHUNK_BYTES }));
}
