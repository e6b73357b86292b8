import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { settings } from '../../../../../tests/databases/settings.ts';
import { inMemory } from '../../../../../tests/memory.ts';
import type { StoredRange } from '../storage/bucket.ts';
import type { Part } from './parts.ts';
import { type OpenVolume, PartReader } from './reader.ts';

const KB = 1024;

/** Different bytes at each place. */
const noise = (length: number) =>
	Uint8Array.from({ length }, (_, at) => Math.imul(at, 2_654_435_761) >>> 13);

/** Parts of a volume, given their places. */
function partsOf(key: string, stored: Uint8Array, places: (readonly [number, number])[]): Part[] {
	const volume = { key, bytes: stored.length, sha256: '', sqlBytes: 0, encodings: [] };
	return places.map(([offset, bytes]) => {
		const part = stored.subarray(offset, offset + bytes);
		const sha256 = createHash('sha256').update(part).digest('hex');
		const known = { content: null, key: null, isSlice: true, isOfParent: false };
		return { volume, offset, bytes, sha256, sqlBytes: 0, ...known };
	});
}

/** Opens volumes in memory; notes each opening, and how many are open. */
function watched(volumes: Record<string, Uint8Array>, sizes?: number[]) {
	const files = inMemory({} as never, new Map(Object.entries(volumes)), sizes);
	const openings: (StoredRange | undefined)[] = [];
	const open = { now: 0, most: 0 };
	const opening: OpenVolume = async (key, range) => {
		openings.push(range);
		const stored = await files.open(key, range);
		open.most = Math.max(open.most, ++open.now);
		return (async function* () {
			try {
				yield* stored ?? [];
			} finally {
				open.now--;
			}
		})();
	};
	return { openings, open, opening };
}

async function readAll(opening: OpenVolume, parts: Part[]): Promise<Buffer> {
	const reader = new PartReader(opening, parts);
	const chunks: Uint8Array[] = [];
	try {
		for (const number of parts.keys()) {
			for await (const chunk of reader.read(number)) chunks.push(chunk);
		}
	} finally {
		await reader.close();
	}
	return Buffer.concat(chunks);
}

test('300 changes in 32 MB take a few openings, and two volumes are open at a time', async () => {
	const [full, own] = [noise(32_000 * KB), noise(300 * 10 * KB)];
	const places = Array.from({ length: 320 }, (_, at) => [at * 100 * KB, 100 * KB] as const);
	const kept = partsOf('full', full, places);
	const changed = partsOf(
		'own',
		own,
		Array.from({ length: 300 }, (_, at) => [at * 10 * KB, 10 * KB] as const),
	);
	const scattered = kept.flatMap((part, at) => (at % 2 === 0 ? [part] : (changed[at] ?? [])));
	const { openings, open, opening } = watched({ full, own });
	await readAll(opening, scattered);
	expect(openings).toHaveLength(2);
	expect(open).toEqual({ now: 0, most: 2 });
});

test('of many volumes that are read in turn, few are open at a time', async () => {
	const volumes = Object.fromEntries(['a', 'b', 'c', 'd', 'e'].map((key) => [key, noise(4 * KB)]));
	const parts = [0, 1, 2, 3].flatMap((at) =>
		Object.entries(volumes).flatMap(([key, stored]) => partsOf(key, stored, [[at * KB, KB]])),
	);
	const { openings, open, opening } = watched(volumes, [300]);
	expect(await readAll(opening, parts)).toHaveLength(5 * 4 * KB);
	expect(open).toEqual({ now: 0, most: 3 });
	expect(openings.length).toBeLessThanOrEqual(parts.length);
});

test('a large gap is not read', async () => {
	const full = noise(4000 * KB);
	const parts = partsOf('full', full, [
		[0, KB],
		[KB, KB],
		[3000 * KB, KB],
		[3999 * KB, KB],
	]);
	const { openings, opening } = watched({ full });
	await readAll(opening, parts);
	expect(openings).toEqual([{ offset: 0, length: 2 * KB }, { offset: 3000 * KB }]);
});

test(
	'parts in any order and of any volumes are read as they are',
	{ ...settings(200).test },
	async () => {
		const volumes = Object.fromEntries(
			['a', 'b', 'c', 'd', 'e'].map((key, at) => [key, noise(4000 + at)]),
		);
		const place = fc.record({
			key: fc.constantFrom(...Object.keys(volumes)),
			offset: fc.nat(3999),
			bytes: fc.integer({ min: 1, max: 500 }),
		});
		await fc.assert(
			fc.asyncProperty(fc.array(place), fc.integer({ min: 1, max: 3000 }), async (places, size) => {
				const parts = places.flatMap(({ key, offset, bytes }) => {
					const stored = volumes[key] ?? noise(0);
					return partsOf(key, stored, [[offset, Math.min(bytes, stored.length - offset)]]);
				});
				const { open, opening } = watched(volumes, [size]);
				const expected = parts.map(({ volume, offset, bytes }) =>
					(volumes[volume.key] ?? noise(0)).subarray(offset, offset + bytes),
				);
				expect((await readAll(opening, parts)).equals(Buffer.concat(expected))).toBe(true);
				expect(open.now).toBe(0);
				expect(open.most).toBeLessThanOrEqual(3);
			}),
			settings(200).check,
		);
	},
);

describe('a volume that differs', () => {
	const stored = noise(10 * KB);
	const parts = partsOf('v', stored, [
		[0, KB],
		[KB, 9 * KB],
	]);
	const read = (bytes: Uint8Array, order = parts) => readAll(watched({ v: bytes }).opening, order);

	test.for([
		['has a changed byte', stored.with(5000, 0), 'are not those that were stored'],
		['goes on', Buffer.concat([stored, Uint8Array.of(0)]), 'has more than its 10240 bytes'],
		['ends before', stored.subarray(0, 5000), 'has 5000 bytes instead of 10240'],
		['is empty', stored.subarray(0, 0), 'has 0 bytes instead of 10240'],
	] as const)('and %s is found', async ([, bytes, message]) => {
		await expect(read(bytes)).rejects.toMatchObject({
			...{ code: 'backup_damaged', status: 422, message: expect.stringContaining(message) },
		});
	});

	test('and ends before the part is found', async () => {
		const last = parts.slice(1);
		await expect(read(stored.subarray(0, 100), last)).rejects.toThrow('is shorter than its 10240');
	});
});
