import {
	generateHybridIdentity,
	generateX25519Identity,
	identityToRecipient,
} from 'age-encryption';
import { describe, expect, test } from 'vitest';
import {
	AGE_CHUNK,
	decode,
	encoded,
	iterated,
	joined,
	noise,
} from '../../../../../tests/codecs.ts';
import { flipBit } from '../../../../../tests/backups.ts';
import { ENCODINGS, identity } from '../../../../../tests/encodings.ts';
import { decoded, type Encoding } from './codec.ts';

const hybrid = await generateHybridIdentity();

describe.for(['gzip', 'zstd'] as const)('%s', (name) => {
	const encoding = ENCODINGS[name];
	const text = new TextEncoder().encode('INSERT INTO t VALUES (1);\n'.repeat(20));

	test('concatenated files are one file', async () => {
		const volumes = [text, new Uint8Array(), noise(100_000)];
		const files = await Promise.all(volumes.map((volume) => encoded(volume, encoding)));
		expect(await decode(await joined(files), encoding)).toEqual(await joined(volumes));
	});

	test('damage never yields other bytes', async () => {
		const stored = await encoded(text, encoding);
		for (let bit = 0; bit < 8 * stored.length; bit++) {
			const outcome = await decode(flipBit(stored, bit), encoding).catch(() => null);
			// Some bits do not affect the contents: the time, the system, the padding of the last byte.
			expect([null, text], `bit ${bit}`).toContainEqual(outcome);
		}
	});

	test('damage to the start of a later part never ends the file early', async () => {
		const stored = await encoded(text, encoding);
		for (let bit = 0; bit < 8 * 4; bit++) {
			const file = await joined([stored, flipBit(stored, bit)]);
			const outcome = await decode(file, encoding).catch(() => null);
			expect([null, await joined([text, text])], `bit ${bit}`).toContainEqual(outcome);
		}
	});

	test('nothing is accepted after its end, not even zeros', async () => {
		const stored = await encoded(text, encoding);
		const zeros = (length: number) => new Uint8Array(length);
		for (const trailing of [
			[zeros(1)],
			[zeros(1000)],
			[zeros(200_000)],
			[zeros(1), stored],
			[stored, zeros(1)],
			[stored.subarray(0, 1)],
			[noise(100)],
		]) {
			const file = await joined([stored, ...trailing]);
			// In one piece, split at the end, byte by byte.
			for (const sizes of [[file.length], [stored.length, 1000], [1]]) {
				await expect(decode(file, encoding, { sizes }), `${sizes}`).rejects.toThrow();
			}
		}
	});

	test('a cut is noticed', async () => {
		const stored = await encoded(text, encoding);
		for (let length = 0; length < stored.length; length++) {
			await expect(decode(stored.subarray(0, length), encoding), `${length}`).rejects.toThrow();
		}
	});
});

test('gzip is a single member that other tools read', async () => {
	const text = new TextEncoder().encode('INSERT INTO t VALUES (1);\n'.repeat(20));
	const stored = await encoded(text, ENCODINGS.gzip);
	const stream = new Blob([new Uint8Array(stored)])
		.stream()
		.pipeThrough(new DecompressionStream('gzip'));
	expect(await new Response(stream).bytes()).toEqual(text);
});

describe.for([
	['X25519', identity],
	['post-quantum hybrid', hybrid],
] as const)('age for %s', async ([, own]) => {
	const encoding: Encoding = { compression: 'off', recipients: [await identityToRecipient(own)] };
	const text = new TextEncoder().encode('INSERT INTO t VALUES (1);\n');

	test('is decrypted by its identity, also among others', async () => {
		const stored = await encoded(text, encoding);
		for (const identities of [[own], [await generateX25519Identity(), own]]) {
			expect(await decode(stored, encoding, { identities })).toEqual(text);
		}
	});

	test('is not decrypted by any other', async () => {
		const stored = await encoded(text, encoding);
		const identities = [await generateX25519Identity(), await generateHybridIdentity()];
		const opened = decode(stored, encoding, { identities });
		await expect(opened).rejects.toMatchObject({ code: 'identity_wrong', status: 422 });
	});

	test('is refused at once without an identity', () => {
		expect(() => decoded(iterated([]), ['age'])).toThrow(
			expect.objectContaining({ code: 'backup_encrypted', status: 409 }),
		);
	});

	test('damage and cuts are noticed', async () => {
		const stored = await encoded(text, encoding);
		// A post-quantum header is long and slow to open.
		const step = own === identity ? 1 : 23;
		for (let at = 0; at < stored.length; at += step) {
			const damaged = stored.with(at, (stored[at] ?? 0) ^ 1);
			for (const file of [damaged, stored.subarray(0, at)]) {
				const opened = decode(file, encoding, { identities: [own] });
				await expect(opened, `at ${at}`).rejects.toThrow();
			}
		}
	});

	test('bytes after its end are noticed', async () => {
		const stored = await encoded(text, encoding);
		const others = [stored.subarray(0, 30), stored.subarray(0, -1), stored.with(3, 0)];
		for (const trailing of [new Uint8Array(1), new Uint8Array(AGE_CHUNK), noise(20), ...others]) {
			const file = await joined([stored, trailing]);
			for (const sizes of [[file.length], [stored.length, 1000]]) {
				const opened = decode(file, encoding, { sizes, identities: [own] });
				await expect(opened, `${trailing.length}`).rejects.toThrow();
			}
		}
	});

	test('files in a row are one, however they are read', async () => {
		const texts = [text, new Uint8Array(0), noise(5000), text];
		const files = await Promise.all(texts.map((one) => encoded(one, encoding)));
		const row = await joined(files);
		for (const sizes of [[row.length], [files[0]?.length ?? 0, 1000], [7], [1, 24, 25, 26]]) {
			const opened = await decode(row, encoding, { sizes, identities: [own] });
			expect(opened, `${sizes}`).toEqual(await joined(texts));
		}
	});

	test('chunks in another order are noticed', async () => {
		const stored = await encoded(noise(3 * AGE_CHUNK), encoding);
		const payload = stored.length - 3 * (AGE_CHUNK + 16);
		const chunk = (n: number) => {
			const start = payload + n * (AGE_CHUNK + 16);
			return stored.subarray(start, start + AGE_CHUNK + 16);
		};
		const head = stored.subarray(0, payload);
		expect(await joined([head, chunk(0), chunk(1), chunk(2)])).toEqual(stored);
		for (const chunks of [
			[1, 0, 2],
			[0, 2],
			[0, 1],
			[0, 1, 1],
			[0, 1, 2, 2],
		]) {
			const file = await joined([head, ...chunks.map(chunk)]);
			await expect(decode(file, encoding, { identities: [own] })).rejects.toThrow();
		}
	});
});
