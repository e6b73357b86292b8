import { env } from 'cloudflare:workers';
import { beforeEach, describe, expect, test } from 'vitest';
import { failingBucket } from '../../../../../tests/failing.ts';
import { reset } from '../../../../../tests/reset.ts';
import {
	acquireLock,
	dropAbandonedState,
	type HeldLock,
	LEASE_MS,
	LOCK_KEYS,
	type LockContext,
	readLock,
	takeUpLock,
} from './lock.ts';

const START = Date.UTC(2026, 10, 22);
const RENEW_AFTER_MS = 30_000;
const TICKET_MS = 15 * 60_000;

let now = START;
const context: LockContext = { bucket: env.MY_BUCKET, now: () => now, sleep: async () => {} };
const running = { code: 'backup_running', status: 409, retryable: true };
const lost = { code: 'lock_lost', status: 409, retryable: true };

beforeEach(async () => {
	await reset();
	now = START;
});

const acquire = (name: string) => acquireLock(context, 'backup', name);
const stored = () => readLock(env.MY_BUCKET, 'backup');

async function held(): Promise<HeldLock> {
	const lock = await stored();
	if (lock === null) throw new Error('Nobody holds the lock.');
	return lock;
}

const takeUp = async () => takeUpLock(context, 'backup', await held());

/** Has another backup take over the lock after it has expired. */
async function overtake(name = 'other') {
	now += LEASE_MS;
	return acquire(name);
}

describe('acquiring the lock', () => {
	test('writes the name and the end of the lease', async () => {
		const lock = await acquire('one');
		expect(lock).toMatchObject({ abandoned: [], tries: 1 });
		expect(await stored()).toMatchObject({ name: 'one', until: START + LEASE_MS, waiting: false });
	});

	test('is refused with the remaining time while another holds it', async () => {
		await acquire('one');
		now += LEASE_MS - 1_500;
		await expect(acquire('two')).rejects.toMatchObject({ ...running, retryAfter: 2 });
		expect((await held()).name).toBe('one');
	});

	test('succeeds for exactly one of many at once', async () => {
		const attempts = ['a', 'b', 'c', 'd', 'e'].map((name) => acquire(name));
		const outcomes = await Promise.allSettled(attempts);
		const refused = outcomes.filter(({ status }) => status === 'rejected');
		expect(refused).toHaveLength(4);
		for (const { reason } of refused as PromiseRejectedResult[]) {
			expect(reason).toMatchObject(running);
		}
	});

	test('succeeds for exactly one of many at once when the lease has expired', async () => {
		await acquire('dead');
		now += LEASE_MS;
		const outcomes = await Promise.allSettled(['a', 'b', 'c'].map((name) => acquire(name)));
		expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
	});

	test('of one task leaves the other task alone', async () => {
		await acquire('one');
		await acquireLock(context, 'drill', 'one');
		const again = acquireLock(context, 'drill', 'two');
		await expect(again).rejects.toMatchObject({ code: 'drill_running' });
	});

	test('succeeds if the write was done although its call failed', async () => {
		const { bucket, failures } = failingBucket(env.MY_BUCKET, 1, { afterwards: true });
		await acquireLock({ ...context, bucket }, 'backup', 'one');
		expect(failures.failed).toBe(1);
		expect((await held()).name).toBe('one');
	});

	test.for(['not JSON', '{"name": 1}', ''])('replaces what is not a lock: "%s"', async (text) => {
		await env.MY_BUCKET.put(LOCK_KEYS.backup, text);
		await acquire('one');
		expect((await held()).name).toBe('one');
	});
});

describe('a lock whose lease has expired', () => {
	test('is taken over, and the names of the abandoned backups accumulate', async () => {
		await acquire('one');
		expect((await overtake('two')).abandoned).toEqual(['one']);
		expect((await overtake('three')).abandoned).toEqual(['one', 'two']);
		expect((await held()).abandoned).toEqual(['one', 'two']);
	});

	test('keeps abandoned names when it is released, until they are buried', async () => {
		await acquire('one');
		await (await overtake('two')).release();
		expect(await stored()).toMatchObject({ abandoned: ['one'], until: now });
		const next = await acquire('three');
		expect(next.abandoned).toEqual(['one', 'two']);
		next.buried();
		await next.release();
		expect(await stored()).toBeNull();
	});

	test('is lost to its first holder, which can no longer renew, confirm, save or hand it over', async () => {
		const first = await acquire('one');
		await overtake();
		await expect(first.renew()).rejects.toMatchObject(lost);
		await expect(first.confirm()).rejects.toMatchObject(lost);
		await expect(first.save('state')).rejects.toMatchObject(lost);
		await expect(first.handOver(now + LEASE_MS, 'state')).rejects.toMatchObject(lost);
		expect((await held()).name).toBe('other');
	});

	test('is not released by its first holder', async () => {
		const first = await acquire('one');
		await overtake();
		await first.release();
		expect((await held()).name).toBe('other');
	});
});

describe('renewing', () => {
	test('extends the lease, but only writes if the lock is old enough', async () => {
		const lock = await acquire('one');
		const before = await held();
		now += RENEW_AFTER_MS - 1;
		await lock.renew();
		expect(await held()).toEqual(before);
		now += 1;
		await lock.renew();
		expect((await held()).until).toBe(now + LEASE_MS);
	});

	test('keeps others out for as long as it continues', async () => {
		const lock = await acquire('one');
		for (const end = now + 3 * LEASE_MS; now < end; now += RENEW_AFTER_MS) await lock.renew();
		await expect(acquire('two')).rejects.toMatchObject(running);
	});

	test('writes when it confirms, unless the last write is about a second old', async () => {
		const lock = await acquire('one');
		const { etag } = await held();
		await lock.confirm();
		expect((await held()).etag).toBe(etag);
		now += 2_000;
		await lock.confirm();
		expect((await held()).etag).not.toBe(etag);
	});
});

describe('handing the lock over', () => {
	test('lets exactly one caller start the next step, with the saved state and a higher number', async () => {
		const lock = await acquire('one');
		await lock.save('first');
		await lock.handOver(now + 900_000, 'second');
		expect(await stored()).toMatchObject({ waiting: true, state: 'second', until: now + 900_000 });
		const waiting = await held();
		const attempts = Array.from({ length: 3 }, () => takeUpLock(context, 'backup', waiting));
		const outcomes = await Promise.allSettled(attempts);
		const taken = outcomes.filter(({ status }) => status === 'fulfilled');
		expect(taken).toMatchObject([{ value: { tries: 2, abandoned: [] } }]);
		expect(await stored()).toMatchObject({ waiting: false, state: 'second', tries: 2 });
	});

	test('keeps other backups out, and a release does not undo it', async () => {
		const lock = await acquire('one');
		await lock.handOver(now + 900_000, 'state');
		await lock.release();
		await expect(acquire('two')).rejects.toMatchObject(running);
	});

	test('expires: the backup then counts as abandoned', async () => {
		const lock = await acquire('one');
		await lock.handOver(now + 900_000, 'state');
		now += 900_000;
		expect((await acquire('two')).abandoned).toEqual(['one']);
		expect(await stored()).toMatchObject({ name: 'two', state: null, tries: 1 });
	});
});

describe('taking up the lock', () => {
	test('is refused while a step is at work, and succeeds once its lease has expired', async () => {
		const lock = await acquire('one');
		await lock.save('state');
		await expect(takeUp()).rejects.toMatchObject(running);
		now += LEASE_MS;
		expect((await takeUp()).tries).toBe(2);
		expect((await held()).state).toBe('state');
		await expect(lock.confirm()).rejects.toMatchObject(lost);
	});

	test('is refused if another took it after it was read', async () => {
		const lock = await acquire('one');
		await lock.handOver(now + 900_000, 'state');
		const read = await held();
		await takeUp();
		await expect(takeUpLock(context, 'backup', read)).rejects.toMatchObject(running);
	});
});

describe('releasing', () => {
	test('removes the lock, so that the next backup starts at once', async () => {
		await (await acquire('one')).release();
		expect(await stored()).toBeNull();
		expect((await acquire('two')).abandoned).toEqual([]);
	});

	test('never throws', async () => {
		const { bucket } = failingBucket(env.MY_BUCKET, 2, { forGood: true });
		const lock = await acquireLock({ ...context, bucket }, 'backup', 'one');
		await lock.release();
		expect((await held()).name).toBe('one');
	});
});

describe('the state of a job', () => {
	test.for([
		['waiting for its next step', 0],
		['whose step has died', 1],
		['whose step has died twice', 2],
	] as const)('%s is dropped once no ticket can resume it', async ([, deaths]) => {
		const lock = await acquire('one');
		await lock.handOver(now + TICKET_MS, 'rows of the database');
		for (let died = 0; died < deaths; died++) {
			await takeUp();
			now += LEASE_MS;
		}
		now = START + TICKET_MS - 1;
		await dropAbandonedState(context);
		expect((await held()).state).toBe('rows of the database');
		now += 1;
		await dropAbandonedState(context);
		expect(await stored()).toMatchObject({ name: 'one', state: null, waiting: false });
	});

	test('that does not exist need not be dropped, with or without a lock', async () => {
		await dropAbandonedState(context);
		expect(await stored()).toBeNull();
		await acquire('one');
		const before = await held();
		now += LEASE_MS;
		await dropAbandonedState(context);
		expect(await held()).toEqual(before);
	});

	test('is left alone, without an error, when the bucket fails', async () => {
		const lock = await acquire('one');
		await lock.save('state');
		now += LEASE_MS;
		const { bucket } = failingBucket(env.MY_BUCKET, 1, { forGood: true });
		await dropAbandonedState({ ...context, bucket });
		expect((await held()).state).toBe('state');
	});
});
