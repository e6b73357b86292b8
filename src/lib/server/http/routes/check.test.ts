import { env } from 'cloudflare:workers';
import { beforeEach, expect, test } from 'vitest';
import { API, authorized, call, expectError } from '../../../../../tests/calls.ts';
import { ask, resetSeveral, run } from '../../../../../tests/several-databases.ts';
import type { CheckedPage } from '../../backup/keep/check/findings.ts';
import { GET } from './check.ts';

beforeEach(resetSeveral);

const pageOf = async (query: string) =>
	(await (await ask(`/check${query}`)).json()) as CheckedPage & { database: string };

test('each database has its own part of the bucket, and none is foreign to the first', async () => {
	await run();
	for (const name of ['shop', 'stats', 'logs']) {
		const page = await pageOf(`?database=${name}`);
		expect(page).toMatchObject({ objects: [], cursor: null, database: name });
		expect(page.totals.valid.objects).toBeGreaterThan(2);
	}
	await env.MY_BUCKET.put('other/1', '');
	await env.MY_BUCKET.put('stats/other/1', '');
	expect((await pageOf('')).objects).toMatchObject([{ key: 'other/', state: 'foreign' }]);
	expect((await pageOf('?database=stats')).objects).toMatchObject([{ key: 'other/' }]);
	expect((await pageOf('?cursor=p')).objects).toEqual([]);
	expect((await ask('/check?database=*')).status).toBe(404);
});

test('a check needs a code, and a cursor that can be a key', async () => {
	await expectError(await call(GET, new Request(`${API}/check`)), 401, 'code_missing');
	const long = await authorized({}, `${API}/check?cursor=${'ä'.repeat(513)}`);
	await expectError(await call(GET, long), 400, 'query_invalid');
});
