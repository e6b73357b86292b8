import { env } from 'cloudflare:workers';
import { beforeEach, describe, expect, test } from 'vitest';
import { reset } from '../../../../tests/reset.ts';
import { isNewNetwork, isOneTooMany, MAX_WRONG_KEYS } from './callers.ts';

const DAY = 86_400_000;
const NOW = Date.UTC(2026, 10, 26);
const bucket = env.MY_BUCKET;

beforeEach(reset);

/** The etag of what is remembered, which changes with each write. */
const etag = async (name: string) => (await bucket.head(`operations/${name}.json`))?.etag;

describe('a network that fetches', () => {
	const isNew = (network: string, day: number) => isNewNetwork(bucket, network, NOW + day * DAY);

	test('is new the first time, and again after 90 days', async () => {
		expect(await isNew('192.0.2.1', 0)).toBe(true);
		expect(await isNew('192.0.2.1', 0)).toBe(false);
		expect(await isNew('2001:db8::/64', 0)).toBe(true);
		expect(await isNew('192.0.2.1', 89)).toBe(false);
		expect(await isNew('192.0.2.1', 178)).toBe(false);
		expect(await isNew('2001:db8::/64', 90)).toBe(true);
		expect(await isNew('192.0.2.1', 268)).toBe(true);
	});

	test('is new once, however many calls come at the same time', async () => {
		const news = await Promise.all(Array.from({ length: 20 }, () => isNew('192.0.2.1', 0)));
		expect(news.filter(Boolean)).toHaveLength(1);
	});

	test('is written down once a day', async () => {
		await isNew('192.0.2.1', 0);
		const first = await etag('fetches');
		await isNew('192.0.2.1', 0.9);
		expect(await etag('fetches')).toBe(first);
		await isNew('192.0.2.1', 1);
		expect(await etag('fetches')).not.toBe(first);
	});

	test('is not forgotten before 500 others, and old ones are', async () => {
		const others = Array.from({ length: 600 }, (_, i) => ({ network: `n${i}`, at: NOW - DAY }));
		await bucket.put('operations/fetches.json', JSON.stringify({ networks: others }));
		await isNew('192.0.2.1', 0);
		const object = await bucket.get('operations/fetches.json');
		const { networks } = (await object?.json()) as { networks: unknown[] };
		expect(networks).toHaveLength(500);
		expect(networks.at(-1)).toEqual({ network: '192.0.2.1', at: NOW });
		expect(networks[0]).toEqual(others[101]);
	});
});

describe('wrong API keys', () => {
	test('are too many once a day, at the tenth', async () => {
		for (const day of [0, 1]) {
			const now = NOW + day * DAY;
			const outcomes: boolean[] = [];
			for (let i = 0; i < MAX_WRONG_KEYS; i++) outcomes.push(await isOneTooMany(bucket, now + i));
			expect(outcomes).toEqual([...Array<boolean>(MAX_WRONG_KEYS - 1).fill(false), true]);
			const counted = await etag('wrong-keys');
			for (let i = 0; i < 20; i++) expect(await isOneTooMany(bucket, now + 100)).toBe(false);
			expect(await etag('wrong-keys')).toBe(counted);
		}
	});

	test('are not too many if they come slowly', async () => {
		for (let i = 0; i < 5 * MAX_WRONG_KEYS; i++) {
			expect(await isOneTooMany(bucket, NOW + (i * DAY) / (MAX_WRONG_KEYS - 1))).toBe(false);
		}
	});

	test('are too many once, however many come at the same time', async () => {
		const outcomes = await Promise.all(Array.from({ length: 40 }, () => isOneTooMany(bucket, NOW)));
		expect(outcomes.filter(Boolean)).toHaveLength(1);
	});
});
