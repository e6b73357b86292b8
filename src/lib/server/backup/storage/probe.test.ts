import { env } from 'cloudflare:workers';
import type { R2Bucket } from '@cloudflare/workers-types';
import { beforeEach, expect, test, vi } from 'vitest';
import { reset } from '../../../../../tests/reset.ts';
import { requireConditionalPuts } from './probe.ts';

beforeEach(reset);

/** A bucket whose puts work as given. */
function bucketWith(put: R2Bucket['put']): R2Bucket {
	return new Proxy(env.MY_BUCKET, {
		get: (bucket, name) =>
			name === 'put' ? put : (Reflect.get(bucket, name) as () => void).bind(bucket),
	});
}

const sleep = async () => {};

const keys = async () => (await env.MY_BUCKET.list()).objects.map(({ key }) => key);

test('R2 is accepted, is asked once, and keeps nothing', async () => {
	const put = vi.fn((...args: Parameters<R2Bucket['put']>) => env.MY_BUCKET.put(...args));
	const bucket = bucketWith(put as never);
	await requireConditionalPuts({ bucket, sleep });
	await requireConditionalPuts({ bucket, sleep });
	expect(put).toHaveBeenCalledOnce();
	expect(await keys()).toEqual([]);
});

test('a bucket that ignores conditions is refused each time, and keeps nothing', async () => {
	const bucket = bucketWith(((key: string) => env.MY_BUCKET.put(key, '')) as never);
	for (let i = 0; i < 2; i++) {
		await expect(requireConditionalPuts({ bucket, sleep })).rejects.toMatchObject({
			code: 'bucket_unsuitable',
			status: 500,
		});
	}
	expect(await keys()).toEqual([]);
});
