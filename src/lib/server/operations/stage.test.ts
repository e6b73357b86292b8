import { env } from 'cloudflare:workers';
import { beforeEach, expect, test } from 'vitest';
import { clock, createBackup, engine } from '../../../../tests/backups.ts';
import { failingDatabase } from '../../../../tests/failing.ts';
import { operationsOn } from '../../../../tests/operations.ts';
import { reset } from '../../../../tests/reset.ts';
import { ourTables, rememberStaged } from '../../../../tests/staged.ts';
import { begin, contentsOf, fill, finish } from '../../../../tests/stepped-backups.ts';
import { makeStage } from '../backup/dump/stage/make.ts';
import { d1 } from '../backup/database.ts';
import { stageOwner } from '../backup/stage-tables.ts';
import { readLeftStage, watchStage } from './stage.ts';

const MINUTE = 60_000;

beforeEach(async () => {
	await reset();
	await fill(100);
});

const operations = () => operationsOn(() => clock.now);

async function makeStageOf(backup: string): Promise<void> {
	const options = { owner: stageOwner(backup, 1), sleep: async () => {}, now: Date.now };
	await makeStage(d1(env.DB), { ...options, room: () => Number.POSITIVE_INFINITY });
}

test('a database without a stage has nothing to say', async () => {
	expect(await watchStage(operations())).toEqual([]);
});

test('the stage of a backup in steps stays while the backup may go on, and no longer', async () => {
	await rememberStaged();
	const ticket = await begin(1);
	clock.now += 14 * MINUTE;
	expect(await watchStage(operations())).toEqual([]);
	expect(await ourTables()).toHaveLength(2);
	expect(await readLeftStage(operations())).toEqual([]);
	clock.now += 2 * MINUTE;
	expect(await readLeftStage(operations())).toEqual([
		'A backup that started 16 minutes ago has left tables in the database. The next backup drops them.',
	]);
	expect(await ourTables()).toHaveLength(2);
	expect(await watchStage(operations())).toEqual([
		'A backup that started 16 minutes ago has left tables in the database. They have been dropped now.',
	]);
	expect(await ourTables()).toEqual([]);
	await expect(finish(ticket)).rejects.toMatchObject({ code: 'ticket_expired' });
});

test('the stage of a step that died stays until its ticket has expired', async () => {
	await rememberStaged();
	await begin(1);
	const lock = JSON.parse((await (await env.MY_BUCKET.get('lifeboat.lock'))?.text()) ?? '');
	const ticketUntil = lock.until;
	const dead = { ...lock, waiting: false, until: clock.now + 5 * MINUTE, ticketUntil };
	await env.MY_BUCKET.put('lifeboat.lock', JSON.stringify(dead));
	clock.now += 6 * MINUTE;
	expect(await readLeftStage(operations())).toEqual(await watchStage(operations()));
	expect(await watchStage(operations())).toEqual([
		expect.stringMatching(/ 6 minutes ago .* dropped once it can no longer be continued\.$/),
	]);
	expect(await ourTables()).toHaveLength(2);
	clock.now += 10 * MINUTE;
	expect(await watchStage(operations())).toHaveLength(1);
	expect(await ourTables()).toEqual([]);
});

test('what another backup has left is dropped while one is running, but not the stage of that one', async () => {
	await makeStageOf('full_backup_2026-11-21T00:00:00.000Z');
	await rememberStaged();
	const before = await contentsOf(await createBackup(engine()));
	const ticket = await begin(1);
	expect(await watchStage(operations())).toEqual([]);
	expect(await contentsOf(await finish(ticket))).toEqual(before);
	await makeStageOf('full_backup_2026-11-21T00:00:00.000Z');
	expect(await watchStage(operations())).toHaveLength(1);
	expect(await ourTables()).toEqual([]);
});

test('a database that does not answer has nothing to say', async () => {
	const { database } = failingDatabase(env.DB, 1, 'D1_ERROR: away', { forGood: true });
	expect(await watchStage({ ...operations(), database })).toEqual([]);
	expect(await readLeftStage({ ...operations(), database })).toEqual([]);
});
