import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AGE_CHUNK, decode, encoded, noise } from '../../../../../tests/codecs.ts';
import { settings } from '../../../../../tests/databases/settings.ts';
import { ENCODINGS, identity } from '../../../../../tests/encodings.ts';
import { bytesOf, sourceOf } from '../../../../../tests/memory.ts';
import { decoded, type Encoding, namesOf } from './codec.ts';

/** The most bytes that may be buffered between input and output. */
const FEW_CHUNKS = 8 * AGE_CHUNK;

describe.for(Object.entries<Encoding>(ENCODINGS))('%s', ([, encoding]) => {
	const sizes = fc.array(fc.integer({ min: 1, max: 90_000 }), { minLength: 1, maxLength: 5 });
	const contents = fc
		.tuple(fc.uint8Array({ maxLength: 300 }), fc.integer({ min: 1, max: 700 }))
		.map(([bytes, times]) =>
			new Uint8Array(times * bytes.length).map((_, at) => bytes[at % bytes.length] ?? 0),
		);

	test('returns any bytes unchanged, in whatever pieces they are read', async () => {
		await fc.assert(
			fc.asyncProperty(contents, sizes, async (bytes, read) => {
				const stored = await encoded(bytes, encoding);
				expect(Buffer.compare(await decode(stored, encoding, { sizes: read }), bytes)).toBe(0);
			}),
			settings(1000).check,
		);
	});

	test.for([0, 1, AGE_CHUNK - 1, AGE_CHUNK, AGE_CHUNK + 1, 3 * AGE_CHUNK])(
		'returns %d bytes unchanged',
		async (length) => {
			const bytes = noise(length);
			expect(await decode(await encoded(bytes, encoding), encoding)).toEqual(bytes);
		},
	);

	test('buffers no more than a few chunks while decoding', async () => {
		const bytes = noise(40 * AGE_CHUNK);
		const stored = await encoded(bytes, encoding);
		let [read, decodedBytes] = [0, 0];
		const counted = (async function* () {
			for await (const part of sourceOf(stored, [AGE_CHUNK]).open()) {
				read += part.length;
				yield part;
			}
		})();
		for await (const { length } of decoded(counted, namesOf(encoding), [identity])) {
			decodedBytes += length;
			expect(read - decodedBytes).toBeLessThan(FEW_CHUNKS);
		}
		expect(decodedBytes).toBe(bytes.length);
	});

	test('fails with the same error object as its source', async () => {
		const stored = await encoded(noise(3 * AGE_CHUNK), encoding);
		const broken = new Error('the bucket is away');
		const open = async function* () {
			yield stored.subarray(0, 2 * AGE_CHUNK);
			throw broken;
		};
		const read = bytesOf({ open: () => decoded(open(), namesOf(encoding), [identity]) });
		await expect(read).rejects.toBe(broken);
	});

	test('releases its source when reading stops', async () => {
		const stored = await encoded(noise(20 * AGE_CHUNK), encoding);
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
	const stored = await encoded(noise(1000), encoding);
	for (const one of [identity, second]) {
		expect(await decode(stored, encoding, { identities: [one] })).toEqual(noise(1000));
	}
});

test('without working encryption nothing is stored as encrypted', async () => {
	const encoding: Encoding = { compression: 'off', recipients: ['age1wrong'] };
	await expect(encoded(noise(10), encoding)).rejects.toThrow();
});
