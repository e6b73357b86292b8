import { reset } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { beforeEach, expect, test } from 'vitest';
import { clock, engine, run } from '../../../../tests/backups.ts';
import { key } from '../../../../tests/encodings.ts';
import { UNLIMITED } from '../backup/budget.ts';
import { startBackup } from '../backup/index.ts';
import { TICKET_MS } from '../backup/job.ts';
import { LOCK_KEYS } from '../backup/storage/lock.ts';
import { forgetOld, type Operations } from './index.ts';

beforeEach(reset);

const operations = (now: () => number): Operations => ({
	settings: { webhook: null, ping: null, maxAgeMs: 1, sizeFactor: 2, journalDays: 30 },
	...{ bucket: env.MY_BUCKET, journal: env.MY_BUCKET, app: 'https://app.example' },
	...{ now, sleep: async () => {} },
});

async function state(): Promise<unknown> {
	const lock = await env.MY_BUCKET.get(LOCK_KEYS.backup);
	return JSON.parse((await lock?.text()) ?? '{}').state;
}

test('what a backup has left in the lock goes when nobody can go on with it', async () => {
	await run(env.DB, 'CREATE TABLE a (x)', 'CREATE TABLE b (x)', 'INSERT INTO a VALUES (1)');
	await startBackup(engine({ keys: [key], budget: { ...UNLIMITED, queries: 1 } }));
	const left = await state();
	expect(left).toEqual(expect.any(String));
	await forgetOld(operations(() => clock.now + TICKET_MS));
	expect(await state()).toBe(left);
	await forgetOld(operations(() => clock.now + 2 * TICKET_MS));
	expect(await state()).toBeNull();
});
