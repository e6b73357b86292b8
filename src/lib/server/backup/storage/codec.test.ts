import {
	generateHybridIdentity,
	generateX25519Identity,
	identityToRecipient,
} from 'age-encryption';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { settings } from '../../../../../tests/databases/settings.ts';
import { flipBit } from '../../../../../tests/backups.ts';
import { ENCODINGS, identity } from '../../../../../tests/encodings.ts';
import { bytesOf, sourceOf } from '../../../../../tests/memory.ts';
import { decoded, type Encoding, encoderOf, namesOf } from './codec.ts';

const hybrid = await generateHybridIdentity();

/** Bytes of plain text in a chunk of age. */
const AGE_CHUNK = 64 * 1024;
/** What may be on its way between what goes in and what comes out. */
const FEW_CHUNKS = 8 * AGE_CHUNK;

const joined = (parts: Uint8Array[]) => bytesOf({ open: () => iterated(parts) });

async function* iterated(parts: Uint8Array[]): AsyncGenerator<Uint8Array, void, void> {
	yield* parts;
}

/** Bytes in that form, pushed in pieces of those sizes in turn. */
async function encode(bytes: Uint8Array, encoding: Encoding, sizes?: number[]) {
	const encoder = encoderOf(encoding);
	const parts: Uint8Array[] = [];
	for await (const piece of sourceOf(bytes, sizes).open())
		parts.push(...(await encoder.push(piece)));
	return joined([...parts, ...(await encoder.end())]);
}

/** And back, read in pieces of those sizes in turn. */
function decode(
	bytes: Uint8Array,
	encoding: Encoding,
	{ sizes, identities = [identity] }: { sizes?: number[]; identities?: string[] } = {},
): Promise<Uint8Array> {
	const open = () => decoded(sourceOf(bytes, sizes).open(), namesOf(encoding), identities);
	return bytesOf({ open });
}

/** Bytes that no gzip makes smaller; the same each time. */
function noise(length: number): Uint8Array {
	let state = 1;
	return Uint8Array.from({ length }, () => (state = (state * 48271) % 2147483647) & 255);
}

describe.for(Object.entries<Encoding>(ENCODINGS))('%s', ([, encoding]) => {
	const sizes = fc.array(fc.integer({ min: 1, max: 90_000 }), { minLength: 1, maxLength: 5 });
	const contents = fc
		.tuple(fc.uint8Array({ maxLength: 300 }), fc.integer({ min: 1, max: 700 }))
		.map(([bytes, times]) =>
			new Uint8Array(times * bytes.length).map((_, at) => bytes[at % bytes.length] ?? 0),
		);

	test('gives any bytes back, in whatever pieces they come', async () => {
		await fc.assert(
			fc.asyncProperty(contents, sizes, sizes, async (bytes, written, read) => {
				const stored = await encode(bytes, encoding, written);
				expect(Buffer.compare(await decode(stored, encoding, { sizes: read }), bytes)).toBe(0);
			}),
			settings(1000).check,
		);
	});

	test.for([0, 1, AGE_CHUNK - 1, AGE_CHUNK, AGE_CHUNK + 1, 3 * AGE_CHUNK])(
		'gives %d bytes back',
		async (length) => {
			const bytes = noise(length);
			expect(await decode(await encode(bytes, encoding), encoding)).toEqual(bytes);
		},
	);

	test('holds no more than a few chunks, whichever way', async () => {
		const piece = noise(AGE_CHUNK);
		const encoder = encoderOf(encoding);
		const stored: Uint8Array[] = [];
		let [pushed, encodedBytes] = [0, 0];
		for (let n = 0; n < 100; n++) {
			const ready = await encoder.push(piece);
			pushed += piece.length;
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

	test('fails with the very error that reading fails with', async () => {
		const stored = await encode(noise(3 * AGE_CHUNK), encoding);
		const broken = new Error('the bucket is away');
		const open = async function* () {
			yield stored.subarray(0, 2 * AGE_CHUNK);
			throw broken;
		};
		const read = bytesOf({ open: () => decoded(open(), namesOf(encoding), [identity]) });
		await expect(read).rejects.toBe(broken);
	});

	test('gives little at a time, however well it is compressed', async () => {
		const encoder = encoderOf(encoding);
		for (let n = 0; n < 100; n++) {
			const ready = await encoder.push(new Uint8Array(AGE_CHUNK));
			const bytes = ready.reduce((sum, { length }) => sum + length, 0);
			expect(bytes).toBeLessThan(FEW_CHUNKS);
		}
		await encoder.end();
	});

	test('may be left off anywhere, and nothing fails that nobody hears of', async () => {
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

	test('lets go of what it reads from when nobody reads on', async () => {
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

describe('gzip', () => {
	const { gzip } = ENCODINGS;
	const text = new TextEncoder().encode('INSERT INTO t VALUES (1);\n'.repeat(20));

	test('files in a row are one file', async () => {
		const volumes = [text, new Uint8Array(), noise(100_000)];
		const files = await Promise.all(volumes.map((volume) => encode(volume, gzip)));
		expect(await decode(await joined(files), gzip)).toEqual(await joined(volumes));
	});

	test('is one member that any other reads', async () => {
		const stored = await encode(text, gzip);
		const stream = new Blob([new Uint8Array(stored)])
			.stream()
			.pipeThrough(new DecompressionStream('gzip'));
		expect(await new Response(stream).bytes()).toEqual(text);
	});

	test('damage never gives other bytes', async () => {
		const stored = await encode(text, gzip);
		for (let bit = 0; bit < 8 * stored.length; bit++) {
			const outcome = await decode(flipBit(stored, bit), gzip).catch(() => null);
			// Some bits say nothing of the contents: the time, the system, what fills the last byte.
			expect([null, text], `bit ${bit}`).toContainEqual(outcome);
		}
	});

	test('damage to where the next of several begins never ends them early', async () => {
		const stored = await encode(text, gzip);
		for (let bit = 0; bit < 8 * 4; bit++) {
			const file = await joined([stored, flipBit(stored, bit)]);
			const outcome = await decode(file, gzip).catch(() => null);
			expect([null, await joined([text, text])], `bit ${bit}`).toContainEqual(outcome);
		}
	});

	test('nothing is taken behind its end, not even zeros', async () => {
		const stored = await encode(text, gzip);
		const zeros = (length: number) => new Uint8Array(length);
		for (const behind of [
			[zeros(1)],
			[zeros(1000)],
			[zeros(200_000)],
			[zeros(1), stored],
			[stored, zeros(1)],
			[Uint8Array.of(0x1f)],
			[noise(100)],
		]) {
			const file = await joined([stored, ...behind]);
			// In one piece, cut at the end, byte by byte.
			for (const sizes of [[file.length], [stored.length, 1000], [1]]) {
				await expect(decode(file, gzip, { sizes }), `${sizes}`).rejects.toThrow();
			}
		}
	});

	test('a cut is noticed', async () => {
		const stored = await encode(text, gzip);
		for (let length = 0; length < stored.length; length++) {
			await expect(decode(stored.subarray(0, length), gzip), `${length}`).rejects.toThrow();
		}
	});
});

describe.for([
	['X25519', identity],
	['post-quantum hybrid', hybrid],
] as const)('age for %s', async ([, own]) => {
	const encoding: Encoding = { gzip: false, recipients: [await identityToRecipient(own)] };
	const text = new TextEncoder().encode('INSERT INTO t VALUES (1);\n');

	test('is opened by its identity, also among others', async () => {
		const stored = await encode(text, encoding);
		for (const identities of [[own], [await generateX25519Identity(), own]]) {
			expect(await decode(stored, encoding, { identities })).toEqual(text);
		}
	});

	test('is opened by no other', async () => {
		const stored = await encode(text, encoding);
		const identities = [await generateX25519Identity(), await generateHybridIdentity()];
		const opened = decode(stored, encoding, { identities });
		await expect(opened).rejects.toMatchObject({ code: 'identity_wrong', status: 422 });
	});

	test('is not tried without any', () => {
		expect(() => decoded(iterated([]), ['age'])).toThrow(
			expect.objectContaining({ code: 'backup_encrypted', status: 409 }),
		);
	});

	test('damage and cuts are noticed', async () => {
		const stored = await encode(text, encoding);
		// A post-quantum header is long, and opening it takes its time.
		const step = own === identity ? 1 : 23;
		for (let at = 0; at < stored.length; at += step) {
			const damaged = stored.with(at, (stored[at] ?? 0) ^ 1);
			for (const file of [damaged, stored.subarray(0, at)]) {
				const opened = decode(file, encoding, { identities: [own] });
				await expect(opened, `at ${at}`).rejects.toThrow();
			}
		}
	});

	test('bytes behind its end are noticed', async () => {
		const stored = await encode(text, encoding);
		for (const behind of [new Uint8Array(1), new Uint8Array(AGE_CHUNK), noise(20), stored]) {
			const file = await joined([stored, behind]);
			for (const sizes of [[file.length], [stored.length, 1000]]) {
				const opened = decode(file, encoding, { sizes, identities: [own] });
				await expect(opened, `${behind.length}`).rejects.toThrow();
			}
		}
	});

	test('chunks in another order are noticed', async () => {
		const stored = await encode(noise(3 * AGE_CHUNK), encoding);
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

test('each of several recipients opens the same file', async () => {
	const second = await generateX25519Identity();
	const recipients = await Promise.all([identity, second].map((one) => identityToRecipient(one)));
	const encoding: Encoding = { gzip: true, recipients };
	const stored = await encode(noise(1000), encoding);
	for (const one of [identity, second]) {
		expect(await decode(stored, encoding, { identities: [one] })).toEqual(noise(1000));
	}
});

test('who cannot encrypt stores nothing as if it were', async () => {
	const encoder = encoderOf({ gzip: false, recipients: ['age1wrong'] });
	await expect(encoder.push(noise(10))).rejects.toThrow();
	await expect(encoder.end()).rejects.toThrow();
});
