import { identity } from './encodings.ts';
import { bytesOf, sourceOf } from './memory.ts';
import {
	decoded,
	type Encoding,
	encoderOf,
	namesOf,
} from '../src/lib/server/backup/storage/codec.ts';

// Bytes to encode, and what decodes them.

/** Bytes of plain text in a chunk of age. */
export const AGE_CHUNK = 64 * 1024;

export const joined = (parts: Uint8Array[]) => bytesOf({ open: () => iterated(parts) });

export async function* iterated(parts: Uint8Array[]): AsyncGenerator<Uint8Array, void, void> {
	yield* parts;
}

/** Bytes in that form, pushed in pieces of those sizes in turn. */
export async function encode(bytes: Uint8Array, encoding: Encoding, sizes?: number[]) {
	const encoder = encoderOf(encoding);
	const parts: Uint8Array[] = [];
	for await (const piece of sourceOf(bytes, sizes).open())
		parts.push(...(await encoder.push(piece)));
	return joined([...parts, ...(await encoder.end())]);
}

/** And back, read in pieces of those sizes in turn. */
export function decode(
	bytes: Uint8Array,
	encoding: Encoding,
	{ sizes, identities = [identity] }: { sizes?: number[]; identities?: string[] } = {},
): Promise<Uint8Array> {
	const open = () => decoded(sourceOf(bytes, sizes).open(), namesOf(encoding), identities);
	return bytesOf({ open });
}

/** Bytes that no gzip makes smaller; the same each time. */
export function noise(length: number): Uint8Array {
	let state = 1;
	return Uint8Array.from({ length }, () => (state = (state * 48271) % 2147483647) & 255);
}
