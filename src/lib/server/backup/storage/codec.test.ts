import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AGE_CHUNK, decode, encode, noise } from '../../../../../tests/codecs.ts';
import { settings } from '../../../../../tests/databases/settings.ts';
import { ENCODINGS, identity } from '../../../../../tests/encodings.ts';
import { bytesOf, sourceOf } from '../../../../../tests/memory.ts';
import { decoded, type Encoding, encoderOf, namesOf } from './codec.ts';

/** The most bytes that may be buffered between input and output. */
const FEW_CHUNKS = 8 * AGE_CHUNK;

describe.for(Object.entries<Encoding>(ENCODINGS))('%s', ([, encoding]) => {
	const sizes = fc.array(fc.integer({ min: 1, max: 90_000 }), { minLength: 1, maxLength: 5 });
	const contents = fc
		.tuple(fc.uint8Array({ maxLength: 300 }), fc.integer({ min: 1, max: 700 }))
		.map(([bytes, times]) =>
			new Uint8Array(times * bytes.length).map((_, at) => bytes[at % bytes.length] ?? 0),
		);

	test('returns any bytes unchanged, in whatever pieces they come', async () => {
		await fc.assert(
			fc.asyncProperty(contents, sizes, sizes, async (bytes, written, read) => {
				const stored = await encode(bytes, encoding, written);
				expect(Buffer.compare(await decode(stored, encoding, { sizes: read }), bytes)).toBe(0);
			}),
			settings(1000).check,
		);
	});

	test.for([0, 1, AGE_CHUNK - 1, AGE_CHUNK, AGE_CHUNK + 1, 3 * AGE_CHUNK])(
		'returns %d bytes unchanged',
		async (length) => {
			const bytes = noise(length);
			expect(await decode(await encode(bytes, encoding), encoding)).toEqual(bytes);
		},
	);

	test('buffers no more than a few chunks in either direction', async () => {
		const bytes = noise(40 * AGE_CHUNK);
		const encoder = encoderOf(encoding);
		const stored: Uint8Array[] = [];
		let [pushed, encodedBytes] = [0, 0];
		for (let n = 0; n < 40; n++) {
			const ready = await encoder.push(bytes.subarray(pushed, pushed + AGE_CHUNK));
			pushed += AGE_CHUNK;
			for (const { length } of ready) encodedBytes += length;
			stored.push(...ready);
			expect(pushed - encodedBytes).toBeLessThan(FEW_CHUNKS);
		}
		stored.push(...(await encoder.end()));

		let [read, decodedBytes] = [0, 0];
		const counted = (async function* () {
			for (const part of stored) {
				read += part.length;
				yield part;
			}
		})();
		for await (const { length } of decoded(counted, namesOf(encoding), [identity])) {
			decodedBytes += length;
			expect(read - decodedBytes).toBeLessThan(FEW_CHUNKS);
		}
		expect(decodedBytes).toBe(pushed);
	});

	test('fails with the same error object as its source', async () => {
		const stored = await encode(noise(3 * AGE_CHUNK), encoding);
		const broken = new Error('the bucket is away');
		const open = async function* () {
			yield stored.subarray(0, 2 * AGE_CHUNK);
			throw broken;
		};
		const read = bytesOf({ open: () => decoded(open(), namesOf(encoding), [identity]) });
		await expect(read).rejects.toBe(broken);
	});

	test('outputs little at a time, however well it is compressed', async () => {
		const encoder = encoderOf(encoding);
		for (let n = 0; n < 100; n++) {
			const ready = await encoder.push(new Uint8Array(AGE_CHUNK));
			const bytes = ready.reduce((sum, { length }) => sum + length, 0);
			expect(bytes).toBeLessThan(FEW_CHUNKS);
		}
		await encoder.end();
	});

	test('can be abandoned at any point without an unhandled rejection', async () => {
		const unheard: Event[] = [];
		const hear = (event: Event) => unheard.push(event);
		addEventListener('unhandledrejection', hear);
		for (const pieces of [0, 1, 5]) {
			const encoder = encoderOf(encoding);
			for (let n = 0; n < pieces; n++) await encoder.push(noise(AGE_CHUNK));
		}
		await new Promise((resolve) => setTimeout(resolve, 20));
		removeEventListener('unhandledrejection', hear);
		expect(unheard).toEqual([]);
	});

	test('releases its source when reading stops', async () => {
		const stored = await encode(noise(20 * AGE_CHUNK), encoding);
		const released = Promise.withResolvers<undefined>();
		const open = async function* () {
			try {
				yield* sourceOf(stored, [1000]).open();
			} finally {
				released.resolve(undefined);
			}
		};
		const reading = decoded(open(), namesOf(encoding), [identity])[Symbol.asyncIterator]();
		await reading.next();
		await reading.return?.();
		await released.promise;
	});
});

test('each of several recipients opens the same file', async () => {
	const second = await generateX25519Identity();
	const recipients = await Promise.all([identity, second].map((one) => identityToRecipient(one)));
	const encoding: Encoding = { compression: 'gzip', recipients };
	const stored = await encode(noise(1000), encoding);
	for (const one of [identity, second]) {
		expect(await decode(stored, encoding, { identities: [one] })).toEqual(noise(1000));
	}
});

test('without working encryption nothing is stored as encrypted', async () => {
	const encoder = encoderOf({ compression: 'off', recipients: ['age1wrong'] });
	await expect(encoder.push(noise(10))).rejects.toThrow();
	await expect(encoder.end()).rejects.toThrow();
});
