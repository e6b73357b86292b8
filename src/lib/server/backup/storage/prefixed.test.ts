import { env } from 'cloudflare:workers';
import { beforeEach, expect, test } from 'vitest';
import { reset } from '../../../../../tests/reset.ts';
import { prefixed } from './prefixed.ts';

beforeEach(reset);

const view = prefixed(env.MY_BUCKET, 'a/');
const keys = async () => (await env.MY_BUCKET.list()).objects.map(({ key }) => key);

test('is the same for the same arguments, and the bucket itself without a prefix', () => {
	expect(prefixed(env.MY_BUCKET, 'a/')).toBe(view);
	expect(prefixed(env.MY_BUCKET, 'b/')).not.toBe(view);
	expect(prefixed(env.MY_BUCKET, '')).toBe(env.MY_BUCKET);
});

test('reads and writes under the prefix, and knows nothing of it', async () => {
	await view.put('one', 'text', { customMetadata: { n: '1' } });
	expect(await keys()).toEqual(['a/one']);
	expect(await view.head('one')).toMatchObject({ key: 'one', size: 4, customMetadata: { n: '1' } });
	const object = await view.get('one');
	expect([object?.key, await object?.text()]).toEqual(['one', 'text']);
	const part = await view.get('one', {
		onlyIf: { etagMatches: object?.etag ?? '' },
		range: { offset: 1, length: 2 },
	});
	expect(part && 'text' in part && (await part.text())).toBe('ex');
	expect(await view.get('two')).toBeNull();
	expect(await view.put('one', 'x', { onlyIf: { etagDoesNotMatch: '*' } })).toBeNull();
});

test('lists and removes only what is under the prefix, page by page', async () => {
	for (const key of ['a/1', 'a/2', 'a/3', 'b/1', '1', 'a']) await env.MY_BUCKET.put(key, '');
	const first = await view.list({ limit: 2 });
	expect([first.objects.map(({ key }) => key), first.truncated]).toEqual([['1', '2'], true]);
	const rest = await view.list({ cursor: first.cursor ?? '' });
	expect(rest.objects.map(({ key }) => key)).toEqual(['3']);
	const after = await view.list({ startAfter: '1', prefix: '' });
	expect(after.objects.map(({ key }) => key)).toEqual(['2', '3']);
	await view.delete('1');
	await view.delete(['2', '3']);
	expect(await keys()).toEqual(['1', 'a', 'b/1']);
});

test('uploads in parts', async () => {
	const upload = await view.createMultipartUpload('large');
	const part = await upload.uploadPart(1, new Uint8Array(10));
	await upload.complete([part]);
	expect(await view.head('large')).toMatchObject({ key: 'large', size: 10 });
	expect(await keys()).toEqual(['a/large']);
});
