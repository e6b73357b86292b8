import { env } from 'cloudflare:workers';
import { beforeEach, describe, expect, test } from 'vitest';
import { reset } from '../../../../tests/reset.ts';
import { engine, run } from '../../../../tests/backups.ts';
import { operationsOn } from '../../../../tests/operations.ts';
import { shortenWaits } from '../../../../tests/fast-waits.ts';
import { failingDatabase } from '../../../../tests/failing.ts';
import {
	BROKEN,
	breakReceiver,
	received,
	receivedAlerts,
	receiver,
} from '../../../../tests/receivers.ts';
import { RESTORE_MARKER } from '../backup/database.ts';
import { startBackup } from '../backup/index.ts';
import { type BackupStep } from '../backup/engine.ts';
import type { Proof } from '../backup/format/proof.ts';
import { LifeboatError } from '../errors.ts';
import type { Operations } from './index.ts';
import { readJournal } from './audit-log.ts';
import { SEND_MS } from './send.ts';
import { watchAge, watchBackup, watchLock, watchProof } from './watch.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
let now = Date.UTC(2026, 10, 25);

beforeEach(async () => {
	await reset();
	await run(
		env.DB,
		'DROP TABLE IF EXISTS t',
		'CREATE TABLE t (x)',
		`INSERT INTO t VALUES ('a row of s3cret')`,
	);
});

function operations(changes: Partial<Operations['settings']> = {}): Operations & { webhook: URL } {
	const webhook = receiver();
	return { webhook, ...operationsOn(() => now, { webhook, ...changes }) };
}

const engineNow = (changes = {}) => engine({ now: () => now++, ...changes });

const backUp = (operations: Operations, changes = {}): Promise<BackupStep> =>
	watchBackup(
		operations,
		() => {},
		(report) => startBackup(engineNow(changes), report),
	);

const failing = () => ({ ...failingDatabase(env.DB, 1, 'D1_ERROR: away', { forGood: true }) });

function refused(code: string, status = 500): LifeboatError {
	return new LifeboatError('It was in vain.', { code, status, hint: 'Do this.' });
}

/** Fails as a backup may. */
async function fail(operations: Operations, code = 'database_error', status = 500): Promise<void> {
	const outcome = watchBackup(
		operations,
		() => {},
		() => Promise.reject(refused(code, status)),
	);
	await expect(outcome).rejects.toMatchObject({ code });
}

const journal = async () => (await readJournal(env.MY_BUCKET, { limit: 100 })).entries;
const kinds = async (url: URL) => (await receivedAlerts(url)).map(({ kind }) => kind);

describe('a backup', () => {
	test('that works tells nobody', async () => {
		const watched = operations();
		await backUp(watched);
		expect(await received(watched.webhook)).toEqual([]);
	});

	test('that fails is told, with what to do, and without a row', async () => {
		const watched = operations();
		await backUp(watched);
		now += 2 * HOUR;
		await expect(backUp(watched, { database: failing().database })).rejects.toThrow();
		const [alert, ...others] = await receivedAlerts(watched.webhook);
		expect(others).toEqual([]);
		expect(alert).toMatchObject({ kind: 'backup_failed', app: 'https://app.example' });
		expect(alert?.text).toMatch(/^https:\/\/app\.example: The backup failed .*2 hours ago\.$/);
		expect(JSON.stringify(alert)).not.toMatch(/s3cret|D1_ERROR/);
	});

	test('that is unstable is told as that', async () => {
		const watched = operations({ maxAgeMs: 10 * DAY });
		await backUp(watched);
		await fail(watched, 'snapshot_unstable', 409);
		expect(await kinds(watched.webhook)).toEqual(['backup_unstable']);
	});

	test('that meets a restore that has not ended is told', async () => {
		const watched = operations();
		await backUp(watched);
		await run(env.DB, `CREATE TABLE ${RESTORE_MARKER} (step INTEGER PRIMARY KEY)`);
		await expect(backUp(watched)).rejects.toThrow();
		const [alert] = await receivedAlerts(watched.webhook);
		expect(alert).toMatchObject({ kind: 'backup_failed', code: 'restore_unfinished' });
		expect(alert?.text).toContain(RESTORE_MARKER);
	});

	test.for(['backup_running', 'lock_lost', 'ticket_spent', 'ticket_expired', 'ticket_invalid'])(
		'that ends with %s has not failed',
		async (code) => {
			const watched = operations({ ping: receiver('/ping') });
			await fail(watched, code, 409);
			expect(await received(watched.webhook)).toEqual([]);
			expect(await received(watched.settings.ping ?? watched.webhook)).toEqual([]);
		},
	);

	test('that fails again for the same reason is told once an hour', async () => {
		const watched = operations();
		await backUp(watched);
		for (const minutes of [0, 1, 10, 50, 10, 1]) {
			await fail(watched);
			now += minutes * 60_000;
		}
		expect(await kinds(watched.webhook)).toEqual(['backup_failed', 'backup_failed']);
		await fail(watched, 'storage_error');
		expect(await kinds(watched.webhook)).toEqual(['backup_failed']);
	});

	test('that works again is told once', async () => {
		const watched = operations();
		const failedAt = new Date(now).toISOString().slice(0, 10);
		await backUp(watched);
		await fail(watched);
		await fail(watched, 'storage_error');
		await receivedAlerts(watched.webhook);
		await backUp(watched);
		await backUp(watched);
		const alerts = await receivedAlerts(watched.webhook);
		expect(alerts.map(({ kind }) => kind)).toEqual(['backup_recovered']);
		expect(alerts[0]?.text).toContain(`They had failed since ${failedAt}`);
	});

	test('is told by one of several calls', async () => {
		const watched = operations();
		await backUp(watched);
		await Promise.all(Array.from({ length: 10 }, () => fail(watched)));
		expect(await kinds(watched.webhook)).toEqual(['backup_failed']);
		now += 2 * DAY;
		const [newest] = [{ startedAt: new Date(now - 2 * DAY).toISOString(), name: 'x' }] as never[];
		await Promise.all(Array.from({ length: 10 }, () => watchAge(watched, newest)));
		expect(await kinds(watched.webhook)).toEqual(['backup_overdue']);
	});

	test.for([
		['grows', `INSERT INTO t SELECT hex(randomblob(10000)) FROM t, t, t`, 1],
		['shrinks', 'DELETE FROM t WHERE length(x) > 100', 1],
		['stays', 'SELECT 1', 0],
	] as const)('that %s beyond the bound is told', async ([, sql, alerts]) => {
		await run(env.DB, `INSERT INTO t SELECT hex(randomblob(10000))`, `INSERT INTO t VALUES (2)`);
		const watched = operations();
		await backUp(watched);
		await run(env.DB, sql);
		await backUp(watched);
		expect(await kinds(watched.webhook)).toEqual(Array(alerts).fill('backup_size'));
	});

	test('that loses most of its rows is told, whatever its size', async () => {
		await run(
			env.DB,
			`INSERT INTO t SELECT hex(randomblob(50000))`,
			`WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 100) INSERT INTO t SELECT i FROM n`,
		);
		const watched = operations();
		await backUp(watched);
		await run(env.DB, 'DELETE FROM t WHERE length(x) < 100');
		await backUp(watched);
		expect(await kinds(watched.webhook)).toEqual(['backup_size']);
	});

	test('of a tiny database may be of any size', async () => {
		const watched = operations();
		await backUp(watched);
		await run(env.DB, `INSERT INTO t SELECT hex(randomblob(2000))`);
		await backUp(watched);
		expect(await kinds(watched.webhook)).toEqual([]);
	});

	test('is told by pings with one run id: at its begin and its end', async () => {
		const ping = receiver('/ping/uuid');
		const watched = operations({ ping });
		await backUp(watched);
		const urls = (await received(ping)).map(({ url }) => new URL(url));
		expect(urls.map(({ pathname }) => pathname)).toEqual(['/ping/uuid/start', '/ping/uuid']);
		const ids = urls.map(({ searchParams }) => searchParams.get('rid'));
		expect(ids[0]).toMatch(/^[\da-f]{8}-[\da-f]{4}-8[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/);
		expect(ids[1]).toBe(ids[0]);
		await expect(backUp(watched, { database: failing().database })).rejects.toThrow();
		const [start, fail] = await received(ping);
		expect(new URL(start?.url ?? '').searchParams.get('rid')).not.toBe(ids[0]);
		expect(new URL(fail?.url ?? '').pathname).toBe('/ping/uuid/fail');
		expect(fail?.body).toMatch(/^\w+: .+\./);
	});

	test('whose answer is given once more is told once', async () => {
		const ping = receiver('/ping');
		const watched = operations({ ping });
		const done = await backUp(watched);
		await received(ping);
		await fail(watched);
		await received(ping);
		await received(watched.webhook);
		expect(
			await watchBackup(
				watched,
				() => {},
				async () => done,
			),
		).toBe(done);
		expect(await received(ping)).toEqual([]);
		expect(await received(watched.webhook)).toEqual([]);
	});

	test.for(['made', 'failed'])('%s lets the old entries of the journal go', async (outcome) => {
		const old = { time: '2025-01-01T00:00:00.000Z', operation: 'list', outcome: 'done' as const };
		const line = JSON.stringify({ ...old, caller: { kind: 'code', address: '' } });
		const key = `journal/${9_999_999_999_999 - Date.parse(old.time)}-x`;
		await env.MY_BUCKET.put(key, line, { customMetadata: { entry: line } });
		expect(await journal()).toHaveLength(1);
		if (outcome === 'made') await backUp(operations());
		else await fail(operations());
		expect((await journal()).filter(({ time }) => time === old.time)).toEqual([]);
	});
});

test('a journal whose old entries are locked keeps nothing from being told', async () => {
	const watched = operations();
	const locked = new Proxy(env.MY_BUCKET, {
		get: (target, name: 'put') =>
			(name as string) === 'delete'
				? () => Promise.reject(new Error('locked'))
				: target[name].bind(target),
	});
	await env.MY_BUCKET.put(`journal/${9_999_999_999_999 - Date.UTC(2025)}-x`, 'old');
	await fail(watched);
	await received(watched.webhook);
	await backUp({ ...watched, journal: locked });
	expect(await kinds(watched.webhook)).toEqual(['backup_recovered']);
});

describe.for(BROKEN)('a receiver that %s', ([, answer]) => {
	test('makes no backup fail, and takes no longer than it may', async () => {
		shortenWaits();
		const watched = operations({ ping: receiver('/ping') });
		await breakReceiver(watched.webhook, answer);
		await breakReceiver(watched.settings.ping ?? watched.webhook, answer);
		await fail(watched);
		const startedAt = performance.now();
		expect(await backUp(watched)).toHaveProperty('manifest');
		expect(performance.now() - startedAt).toBeLessThan(SEND_MS);
		const failed = (await journal()).filter(({ operation, outcome }) => {
			return outcome === 'failed' && /^(alert|ping)/.test(operation);
		});
		expect(failed.map(({ operation, code }) => `${operation}: ${code}`).sort()).toEqual([
			'alert backup_failed: alert_failed',
			'alert backup_overdue: alert_failed',
			'alert backup_recovered: alert_failed',
			...Array<string>(2).fill('ping: ping_failed'),
		]);
		expect(JSON.stringify(await journal())).not.toContain(watched.webhook.host);
		const elsewhere = await received(new URL('https://elsewhere.example'));
		expect(elsewhere).toEqual([]);
	});
});

test('what a receiver has not taken is told again', async () => {
	const watched = operations();
	await breakReceiver(watched.webhook, { status: 404 });
	await fail(watched);
	await received(watched.webhook);
	await breakReceiver(watched.webhook, { status: 200 });
	await fail(watched);
	expect((await kinds(watched.webhook)).sort()).toEqual(['backup_failed', 'backup_overdue']);
	await breakReceiver(watched.webhook, { status: 404 });
	await backUp(watched);
	await received(watched.webhook);
	await breakReceiver(watched.webhook, { status: 200 });
	await backUp(watched);
	await backUp(watched);
	expect(await kinds(watched.webhook)).toEqual(['backup_recovered']);
});

test('what cannot be told anywhere is in the journal', async () => {
	await fail(operations({ webhook: null }));
	expect(await journal()).toContainEqual(
		expect.objectContaining({ operation: 'alert backup_failed', code: 'alert_nowhere' }),
	);
});

test('a failure is told also where it cannot be read what was told before', async () => {
	const watched = operations();
	const bucket = new Proxy(env.MY_BUCKET, { get: () => () => Promise.reject(new Error('away')) });
	await fail({ ...watched, bucket }, 'storage_error');
	expect(await kinds(watched.webhook)).toEqual(['backup_failed']);
});

test('wrong codes that close the lock are told', async () => {
	const watched = operations();
	await watchLock(watched);
	expect(await kinds(watched.webhook)).toEqual(['access_locked']);
});

describe('a proof', () => {
	const proof = {
		proven: false,
		kind: 'drill',
		by: 'GitHub',
		differences: ['s3cret'],
		backup: 'b',
	};

	test('that finds differences is told, and they are not', async () => {
		const watched = operations();
		expect(await watchProof(watched, async () => proof as Proof)).toBe(proof);
		const [alert] = await receivedAlerts(watched.webhook);
		expect(alert).toMatchObject({ kind: 'drill_failed', backup: 'b', code: 'backup_differs' });
		expect(JSON.stringify(alert)).not.toContain('s3cret');
	});

	test.for([
		['manifest_forged', 422, 1],
		['storage_error', 500, 1],
		['backup_not_found', 404, 0],
		['drill_running', 409, 0],
	] as const)('that ends with %s is told where it matters', async ([code, status, alerts]) => {
		const watched = operations();
		const outcome = watchProof(watched, () => Promise.reject(refused(code, status)));
		await expect(outcome).rejects.toMatchObject({ code });
		expect(await kinds(watched.webhook)).toEqual(Array(alerts).fill('drill_failed'));
	});
});
