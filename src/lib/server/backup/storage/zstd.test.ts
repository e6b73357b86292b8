import { env } from 'cloudflare:workers';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decode, encoded, joined, noise } from '../../../../../tests/codecs.ts';
import { settings } from '../../../../../tests/databases/settings.ts';
import { ENCODINGS } from '../../../../../tests/encodings.ts';

const { zstd } = ENCODINGS;
/** Of output, in the encoder. */
const CHUNK_BYTES = 64 * 1024;

/** What the program `zstd` makes of bytes. */
async function program(options: string[], bytes: Uint8Array): Promise<Uint8Array> {
	const url = new URL('http://witness/zstd');
	for (const option of options) url.searchParams.append(option, '');
	const response = await env.WITNESS.fetch(url, { method: 'POST', body: new Uint8Array(bytes) });
	if (!response.ok) throw new Error(await response.text());
	return new Uint8Array(await response.arrayBuffer());
}

const isSame = (a: Uint8Array, b: Uint8Array) => Buffer.compare(a, b) === 0;

/** Bytes that compress to any degree: noise of some values only, and runs of one value. */
const contents = fc
	.tuple(fc.integer({ min: 0, max: 1_000_000 }), fc.integer({ min: 1, max: 256 }), fc.nat(5))
	.map(([length, values, run]) =>
		noise(length).map((_, at, all) => (all[at >> run] ?? 0) % values),
	);

describe('every volume is opened by zstd -d', () => {
	const random = settings(200);

	test('of any bytes', random.test, async () => {
		await fc.assert(
			fc.asyncProperty(contents, async (bytes) => {
				const stored = await encoded(bytes, zstd);
				expect(isSame(await program(['-d'], stored), bytes)).toBe(true);
				expect(isSame(await decode(stored, zstd), bytes)).toBe(true);
			}),
			random.check,
		);
	});

	test('of bytes that fill output chunks in any way', async () => {
		// Noise stays as long as it is, so the frames end around the end of a chunk.
		const bytes = noise(CHUNK_BYTES + 100);
		for (let length = CHUNK_BYTES - 100; length <= bytes.length; length++) {
			const content = bytes.subarray(0, length);
			const stored = await encoded(content, zstd);
			expect(stored.length).toBeGreaterThan(length);
			expect(isSame(await decode(stored, zstd), content)).toBe(true);
		}
	});

	test.for([0, 1, 15, 16, 17, 33])('of %d bytes', async (length) => {
		const stored = await encoded(noise(length), zstd);
		expect(isSame(await program(['-d'], stored), noise(length))).toBe(true);
	});

	test('which checks its contents', async () => {
		const stored = await encoded(noise(1000), zstd);
		const last = stored.length - 1;
		const damaged = stored.with(last, (stored[last] ?? 0) ^ 1);
		await expect(program(['-d'], damaged)).rejects.toThrow('checksum');
	});
});

describe('files of zstd are read', () => {
	const text = new TextEncoder().encode('INSERT INTO t VALUES (1);\n'.repeat(40_000));
	const samples = [new Uint8Array(), text, noise(300_000), new Uint8Array(3_000_000)];

	test.for([
		[],
		['--no-check'],
		['-1', '--no-check'],
		['-19'],
		['--long=27'],
		['-T2', '-B524288'],
		['--ultra', '-22', '--no-check'],
	])('written with %j', async (options) => {
		for (const bytes of samples) {
			const stored = await program(options, bytes);
			expect(isSame(await decode(stored, zstd), bytes)).toBe(true);
		}
	});

	test('with skippable frames anywhere', async () => {
		const stored = await encoded(text, zstd);
		const skippable = (length: number) => {
			const header = Buffer.alloc(8);
			header.writeUInt32LE(0x184d2a57, 0);
			header.writeUInt32LE(length, 4);
			return Buffer.concat([header, noise(length)]);
		};
		const file = await joined([skippable(4), stored, skippable(0), stored, skippable(200_000)]);
		expect(isSame(await program(['-d'], file), await joined([text, text]))).toBe(true);
		for (const sizes of [[file.length], [1000], [7]]) {
			expect(isSame(await decode(file, zstd, { sizes }), await joined([text, text]))).toBe(true);
		}
		const cut = decode(file.subarray(0, -1), zstd);
		await expect(cut).rejects.toThrow('ends within a frame');
	});

	test('but not with a dictionary', async () => {
		// Its header names dictionary 7; its only block is empty.
		const stored = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0x21, 7, 0, 1, 0, 0);
		await expect(decode(stored, zstd)).rejects.toThrow('Dictionary mismatch');
		expect(await decode(stored.with(5, 0), zstd)).toEqual(new Uint8Array());
	});
});
