import { env } from 'cloudflare:workers';
import * as v from 'valibot';
import { beforeEach, describe, expect, test } from 'vitest';
import { reset } from '../../../../../tests/reset.ts';
import { shortenWaits } from '../../../../../tests/fast-waits.ts';
import { failingBucket } from '../../../../../tests/failing.ts';
import type { R2Bucket } from '../../platform.ts';
import { changeState, readState, type StateKind } from './state.ts';

beforeEach(reset);

const COUNTER: StateKind<{ count: number }> = {
	key: 'test/counter.json',
	schema: v.object({ count: v.number() }),
	empty: { count: 0 },
};

/** Increments the counter, and returns the number of times the change was called. */
async function countUp(bucket: R2Bucket): Promise<number> {
	let calls = 0;
	await changeState(bucket, COUNTER, ({ count }) => {
		calls++;
		return { count: count + 1 };
	});
	return calls;
}

const count = async () => (await readState(env.MY_BUCKET, COUNTER)).count;

describe('a change', () => {
	test('whose write fails is retried, and made once', async () => {
		const { bucket, failures } = failingBucket(env.MY_BUCKET, 1);
		expect(await countUp(bucket)).toBe(2);
		expect(failures.failed).toBe(1);
		expect(await count()).toBe(1);
	});

	test('whose write was done but answered with an error is not made again', async () => {
		const { bucket, failures } = failingBucket(env.MY_BUCKET, 1, { afterwards: true });
		expect(await countUp(bucket)).toBe(1);
		expect(failures.failed).toBe(1);
		expect(await count()).toBe(1);
	});

	test('recognizes its own write even after those of others', async () => {
		const { bucket } = failingBucket(env.MY_BUCKET, 1, { afterwards: true });
		const overtaken = new Proxy(bucket, {
			get(target, name: 'put' | 'get') {
				if (name !== 'put') return target[name].bind(target);
				return (...call: Parameters<R2Bucket['put']>) =>
					target.put(...call).catch(async (error: unknown) => {
						await countUp(env.MY_BUCKET);
						await countUp(env.MY_BUCKET);
						throw error;
					});
			},
		});
		expect(await countUp(overtaken)).toBe(1);
		expect(await count()).toBe(3);
	});

	test('is not lost among many simultaneous ones', async () => {
		await Promise.all(Array.from({ length: 12 }, () => countUp(env.MY_BUCKET)));
		expect(await count()).toBe(12);
	});

	test('that throws changes nothing', async () => {
		const refuse = () => {
			throw new Error('no');
		};
		await expect(changeState(env.MY_BUCKET, COUNTER, refuse)).rejects.toThrow('no');
		expect(await env.MY_BUCKET.head(COUNTER.key)).toBeNull();
	});

	test('is reported when R2 fails for good', async () => {
		shortenWaits();
		const { bucket } = failingBucket(env.MY_BUCKET, 1, { forGood: true });
		await expect(countUp(bucket)).rejects.toMatchObject({ code: 'storage_error' });
	});
});
