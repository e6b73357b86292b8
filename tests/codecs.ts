import { identity } from './encodings.ts';
import { bytesOf, sourceOf } from './memory.ts';
import {
	decoded,
	encoderOf,
	type Encoding,
	namesOf,
} from '../src/lib/server/backup/storage/codec.ts';

// Encoding and decoding bytes in the tests.

/** Plaintext bytes per age chunk. */
export const AGE_CHUNK = 64 * 1024;

export const joined = (parts: Uint8Array[]) => bytesOf({ open: () => iterated(parts) });

export async function* iterated(parts: Uint8Array[]): AsyncGenerator<Uint8Array, void, void> {
	yield* parts;
}

/** Bytes encoded as one slice. */
export function encoded(bytes: Uint8Array, encoding: Encoding): Promise<Uint8Array> {
	return encoderOf(encoding)(bytes);
}

/** Decodes bytes, read in pieces of the given sizes in turn. */
export function decode(
	bytes: Uint8Array,
	encoding: Encoding,
	{ sizes, identities = [identity] }: { sizes?: number[]; identities?: string[] } = {},
): Promise<Uint8Array> {
	const open = () => decoded(sourceOf(bytes, sizes).open(), namesOf(encoding), identities);
	return bytesOf({ open });
}

/** Incompressible bytes; the same every time. */
export function noise(length: number): Uint8Array {
	let state = 1;
	return new Uint8Array(length).map(() => (state = (state * 48271) % 2147483647) & 255);
}
