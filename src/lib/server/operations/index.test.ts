import { env } from 'cloudflare:workers';
import { beforeEach, expect, test } from 'vitest';
import { reset } from '../../../../tests/reset.ts';
import { clock, engine, run } from '../../../../tests/backups.ts';
import { operationsOn } from '../../../../tests/operations.ts';
import { key } from '../../../../tests/encodings.ts';
import { dyingEngine } from '../../../../tests/failing.ts';
import { UNLIMITED } from '../backup/make/budget.ts';
import { resumeBackup, startBackup } from '../backup/index.ts';
import { TICKET_MS } from '../backup/make/job.ts';
import { LEASE_MS, LOCK_KEYS } from '../backup/storage/lock.ts';
import { removeOldData } from './index.ts';

beforeEach(reset);

const stepping = () => engine({ keys: [key], budget: { ...UNLIMITED, queries: 1 } });

/** Starts a backup in several steps, and returns the ticket for the second. */
async function begin(): Promise<string> {
	await run(env.DB, 'CREATE TABLE a (x)', 'CREATE TABLE b (x)', 'INSERT INTO a VALUES (1)');
	const step = await startBackup(stepping());
	return 'resume' in step ? step.resume : '';
}

async function state(): Promise<unknown> {
	const lock = await env.MY_BUCKET.get(LOCK_KEYS.backup);
	return JSON.parse((await lock?.text()) ?? '{}').state;
}

test('the state of a backup is removed from the lock once no ticket can resume it', async () => {
	await begin();
	const left = await state();
	expect(left).toEqual(expect.any(String));
	await removeOldData(operationsOn(() => clock.now + TICKET_MS - 1_000));
	expect(await state()).toBe(left);
	await removeOldData(operationsOn(() => clock.now + TICKET_MS));
	expect(await state()).toBeNull();
});

test('the state of a dead step is removed when its ticket has expired', async () => {
	const ticket = await begin();
	const { engine: dying, died } = dyingEngine(stepping(), 4);
	await Promise.race([died, resumeBackup(dying, ticket)]);
	await removeOldData(operationsOn(() => clock.now + LEASE_MS));
	expect(await state()).toEqual(expect.any(String));
	await removeOldData(operationsOn(() => clock.now + TICKET_MS));
	expect(await state()).toBeNull();
});
