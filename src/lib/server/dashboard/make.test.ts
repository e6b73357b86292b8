import { env } from 'cloudflare:workers';
import { beforeEach, describe, expect, test } from 'vitest';
import { clock, run } from '../../../../tests/backups.ts';
import { SECRET } from '../../../../tests/calls.ts';
import { reset } from '../../../../tests/reset.ts';
import { begin, fill, inSteps } from '../../../../tests/stepped-backups.ts';
import { visitTo } from '../../../../tests/visits.ts';
import { countRun, MAX_RUNS } from '../access/session-runs.ts';
import { currentTicket } from '../backup/index.ts';
import { readRunning } from '../backup/make/running.ts';
import { backupKeys } from '../backup/settings.ts';
import { readAuditLog } from '../operations/audit-log.ts';
import { makeStep, streamStep } from './make.ts';
import { statusPage } from './status.ts';

const MINUTE = 60_000;
const keys = backupKeys({ TOTP_SECRET: SECRET });

beforeEach(async () => {
	await reset();
	clock.now = Date.now();
});

const refused = (code: string) => expect.objectContaining({ code }) as Error;
const make = (continues: boolean) => makeStep(visitTo().visit, continues);

async function logged() {
	const { entries } = await readAuditLog(env.MY_BUCKET, { limit: 100, since: 0 });
	return entries.map(({ operation, outcome, code }) => [operation, outcome, code]);
}

/** The lock of backups, changed. */
async function changeLock(changes: object): Promise<void> {
	const lock = JSON.parse((await (await env.MY_BUCKET.get('lifeboat.lock'))?.text()) ?? '{}');
	await env.MY_BUCKET.put('lifeboat.lock', JSON.stringify({ ...lock, ...changes }));
}

async function useUpRuns(): Promise<void> {
	for (let runs = 0; runs < MAX_RUNS; runs++) await countRun(env.MY_BUCKET, Date.now());
}

describe('a backup that waits for its next step', () => {
	beforeEach(async () => {
		await fill(300);
		await begin(1, { keys });
	});

	test('is continued without a ticket, which no answer contains', async () => {
		const { run: shown } = (await statusPage(visitTo().visit)).shown ?? {};
		expect(shown).toMatchObject({ state: 'waiting', step: 3, tables: expect.any(Number) });
		const made = await make(true);
		expect(made).toEqual({ name: shown?.name, isDone: true, retryAfter: 0 });
		const { shown: after } = await statusPage(visitTo().visit);
		expect([after?.run, after?.backups.map(({ name }) => name)]).toEqual([null, [made.name]]);
		expect(await logged()).toEqual([['resume', 'done', undefined]]);
	});

	test('is continued although no more may be started', async () => {
		await useUpRuns();
		await expect(make(false)).rejects.toThrow(refused('too_many_runs'));
		expect(await make(true)).toMatchObject({ isDone: true });
	});

	test('keeps another one from being started', async () => {
		await expect(make(false)).rejects.toThrow(refused('backup_running'));
		expect(await make(true)).toMatchObject({ isDone: true });
	});

	test('has a ticket for its next step only, and none while somebody takes that', async () => {
		const engine = inSteps({ keys });
		expect(await currentTicket(engine)).not.toBeNull();
		expect(await currentTicket({ ...engine, signer: null })).toBeNull();
		await changeLock({ waiting: false, until: clock.now + 5 * MINUTE });
		expect(await currentTicket(engine)).toBeNull();
		await expect(make(true)).rejects.toThrow(refused('nothing_to_continue'));
		expect(await readRunning(engine)).toMatchObject({ resumesAt: null, step: 3 });
	});

	test('is continued after a step that died', async () => {
		const until = clock.now - MINUTE;
		await changeLock({ waiting: false, until, ticketUntil: clock.now + 5 * MINUTE });
		expect(await readRunning(inSteps({ keys }))).toMatchObject({ resumesAt: until });
		expect(await make(true)).toMatchObject({ isDone: true });
	});

	test('is not continued by an app that cannot open it', async () => {
		const { BACKUP_MAC_KEY } = { BACKUP_MAC_KEY: 'x'.repeat(32) };
		const { visit } = visitTo('/backups', { BACKUP_MAC_KEY });
		await expect(makeStep(visit, true)).rejects.toThrow(refused('ticket_invalid'));
		expect(await readRunning(inSteps({ keys: [] }))).toMatchObject({ tables: 0, rows: 0 });
		expect(await make(true)).toMatchObject({ isDone: true });
	});

	test('is given up in time', async () => {
		clock.now += 20 * MINUTE;
		expect(await currentTicket(inSteps({ keys }))).toBeNull();
		expect(await readRunning(inSteps({ keys }))).toBeNull();
	});
});

describe('without a backup that waits', () => {
	beforeEach(() => run(env.DB, 'CREATE TABLE t (id INTEGER PRIMARY KEY)'));

	test('there is nothing to continue', async () => {
		await expect(make(true)).rejects.toThrow(refused('nothing_to_continue'));
		expect(await logged()).toEqual([['resume', 'refused', 'nothing_to_continue']]);
		expect(await readRunning(inSteps({ keys }))).toBeNull();
	});

	test('no more than the limit by the hour are started', async () => {
		await useUpRuns();
		await expect(make(false)).rejects.toThrow(refused('too_many_runs'));
		expect(await logged()).toEqual([['backup', 'refused', 'too_many_runs']]);
		expect((await statusPage(visitTo().visit)).shown?.backups).toEqual([]);
	});

	test('a backup is streamed line by line, and so is an error', async () => {
		const lines = async (continues: boolean) => {
			const text = await (await streamStep(visitTo().visit, continues)).text();
			return text
				.trimEnd()
				.split('\n')
				.map((line) => JSON.parse(line) as object);
		};
		const made = await lines(false);
		expect(made.at(-1)).toMatchObject({ made: { isDone: true, retryAfter: 0 } });
		expect(made.length).toBeGreaterThan(1);
		expect(await lines(true)).toMatchObject([{ code: 'nothing_to_continue' }]);
	});
});
