import { env } from 'cloudflare:workers';
import { beforeEach, describe, expect, test } from 'vitest';
import { reset } from '../../../../tests/reset.ts';
import { LifeboatError } from '../errors.ts';
import {
	type LockoutScope,
	JustLocked,
	judge,
	liftLockout,
	readLockout,
	MAX_WRONG,
} from './lockout.ts';

const DAY = 86_400_000;
const START = Date.UTC(2026, 10, 25);
const GOOD = { id: 'current-1', previous: false, until: START + 60_000 };

beforeEach(reset);

const bucket = env.MY_BUCKET;

/** The outcomes of guesses from these networks at these times, as error codes. */
async function guess(
	now: number,
	network: string,
	code: typeof GOOD | null = null,
	scope: LockoutScope = 'anyone',
): Promise<string> {
	try {
		await judge({ bucket, scope, now }, network, code);
		return 'right';
	} catch (error) {
		if (error instanceof LifeboatError) return error.code;
		throw error;
	}
}

describe('one network', () => {
	test('waits longer after each wrong code, up to a day', async () => {
		let now = START;
		for (const seconds of [1, 4, 16, 64, 86_400]) {
			expect(await guess(now, 'a')).toBe('code_invalid');
			expect(await guess(now + seconds * 1000 - 1, 'a', GOOD)).toBe('throttled');
			now += seconds * 1000;
		}
		expect(await guess(now, 'a', GOOD)).toBe('right');
	});

	test('is given the time to wait', async () => {
		await guess(START, 'a');
		await guess(START + 1000, 'a');
		const refused = judge({ bucket, scope: 'anyone', now: START + 2000 }, 'a', GOOD);
		await expect(refused).rejects.toMatchObject({ status: 429, retryAfter: 3 });
	});

	test('does not slow down others', async () => {
		await guess(START, 'a');
		expect(await guess(START, 'b', GOOD)).toBe('right');
	});
});

describe('the lock', () => {
	async function lock(scope: LockoutScope = 'anyone'): Promise<void> {
		for (let i = 1; i < MAX_WRONG; i++) {
			expect(await guess(START + i, `n${i}`, null, scope)).toBe('code_invalid');
		}
		const last = judge({ bucket, scope, now: START + MAX_WRONG }, 'last', null);
		await expect(last).rejects.toBeInstanceOf(JustLocked);
	}

	test('starts after too many wrong codes, and expires', async () => {
		await lock();
		expect(await guess(START + DAY, 'other', GOOD)).toBe('access_locked');
		const { lockedUntil, wrong } = await readLockout(bucket, 'anyone', START + DAY);
		expect(wrong).toHaveLength(MAX_WRONG);
		expect(lockedUntil).toBe(START + 1 + 365 * DAY);
		expect(await guess(START + 365 * DAY, 'other', GOOD)).toBe('access_locked');
		expect(await guess(START + 1 + 365 * DAY, 'other', GOOD)).toBe('right');
	});

	test('can be lifted by an administrator', async () => {
		await lock();
		await liftLockout(bucket, 'anyone');
		expect(await guess(START + DAY, 'last', GOOD)).toBe('right');
	});

	test('of callers without the API key does not lock out those with it, or vice versa', async () => {
		await lock();
		expect(await guess(START + DAY, 'a', GOOD, 'keyed')).toBe('right');
		await reset();
		await lock('keyed');
		expect(await guess(START + DAY, 'a', GOOD, 'anyone')).toBe('right');
	});

	test('is not delayed by right codes in between', async () => {
		for (let i = 1; i < MAX_WRONG; i++) {
			await guess(START + i * DAY, 'a');
			expect(await guess(START + i * DAY, 'b', { ...GOOD, id: `current-${i}` })).toBe('right');
		}
		expect(await guess(START + MAX_WRONG * DAY, 'a')).toBe('access_locked');
	});
});

test('simultaneous guesses get no more codes compared than guesses one by one', async () => {
	const guesses = Array.from({ length: 200 }, (_, i) => guess(START, `n${i}`));
	const outcomes = await Promise.all(guesses);
	const count = (code: string) => outcomes.filter((outcome) => outcome === code).length;
	expect(count('code_invalid')).toBe(MAX_WRONG - 1);
	expect(count('code_invalid') + count('access_locked') + count('state_contended')).toBe(200);
	expect((await readLockout(bucket, 'anyone', START)).wrong).toHaveLength(MAX_WRONG);
});

test('a right code may be sent again from the same network, and nothing is written', async () => {
	await guess(START, 'a', GOOD);
	const before = (await bucket.head('access/guesses.json'))?.etag;
	expect(await guess(START + 1000, 'a', GOOD)).toBe('right');
	expect((await bucket.head('access/guesses.json'))?.etag).toBe(before);
	expect(await guess(START + 1000, 'b', GOOD)).toBe('right');
	expect((await bucket.head('access/guesses.json'))?.etag).not.toBe(before);
});

test('the object stays small, however many networks call', async () => {
	for (let i = 0; i < 120; i++) await guess(START, `network ${i}`, GOOD);
	expect((await bucket.head('access/guesses.json'))?.size).toBeLessThan(5000);
});

test('an object that is not ours counts as empty', async () => {
	await bucket.put('access/guesses.json', '{"wrong": "never"}');
	expect(await guess(START, 'a')).toBe('code_invalid');
	expect((await readLockout(bucket, 'anyone', START)).wrong).toHaveLength(1);
});
