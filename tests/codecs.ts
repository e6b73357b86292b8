import { identity } from './encodings.ts';
import { bytesOf, sourceOf } from './memory.ts';
import {
	decoded,
	type Encoding,
	encoderOf,
	namesOf,
} from '../src/lib/server/backup/storage/codec.ts';

// Encoding and decoding bytes in the tests.

/** Plaintext bytes per age chunk. */
export const AGE_CHUNK = 64 * 1024;

export const joined = (parts: Uint8Array[]) => bytesOf({ open: () => iterated(parts) });

export async function* iterated(parts: Uint8Array[]): AsyncGenerator<Uint8Array, void, void> {
	yield* parts;
}

/** Encodes bytes, pushed in pieces of the given sizes in turn. */
export async function encode(bytes: Uint8Array, encoding: Encoding, sizes?: number[]) {
	const encoder = encoderOf(encoding);
	const parts: Uint8Array[] = [];
	for await (const piece of sourceOf(bytes, sizes).open())
		parts.push(...(await encoder.push(piece)));
	return joined([...parts, ...(await encoder.end())]);
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
