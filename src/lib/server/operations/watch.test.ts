import { env } from 'cloudflare:workers';
import { beforeEach, describe, expect, test } from 'vitest';
import { backUp, fail, journal, kinds, operations } from '../../../../tests/watched.ts';
import { reset } from '../../../../tests/reset.ts';
import { clock, run } from '../../../../tests/backups.ts';
import { failingDatabase } from '../../../../tests/failing.ts';
import { received, receivedAlerts, receiver } from '../../../../tests/receivers.ts';
import { RESTORE_MARKER } from '../backup/sql.ts';
import { watchAge, watchBackup } from './watch.ts';

const HOUR = 3_600_000;

const DAY = 24 * HOUR;

beforeEach(async () => {
	await reset();
	await run(
		env.DB,
		'DROP TABLE IF EXISTS t',
		'CREATE TABLE t (x)',
		`INSERT INTO t VALUES ('a row of s3cret')`,
	);
});

const failing = () => ({ ...failingDatabase(env.DB, 1, 'D1_ERROR: away', { forGood: true }) });

describe('a backup', () => {
	test('that succeeds sends no alert', async () => {
		const watched = operations();
		await backUp(watched);
		expect(await received(watched.webhook)).toEqual([]);
	});

	test('that fails sends an alert that says what to do and contains no rows', async () => {
		const watched = operations();
		await backUp(watched);
		clock.now += 2 * HOUR;
		await expect(backUp(watched, { database: failing().database })).rejects.toThrow();
		const [alert, ...others] = await receivedAlerts(watched.webhook);
		expect(others).toEqual([]);
		expect(alert).toMatchObject({ kind: 'backup_failed', app: 'https://app.example' });
		expect(alert?.text).toMatch(/^https:\/\/app\.example: The backup failed .*2 hours ago\.$/);
		expect(JSON.stringify(alert)).not.toMatch(/s3cret|D1_ERROR/);
	});

	test('that finds no stable snapshot sends its own kind of alert', async () => {
		const watched = operations({ maxAgeMs: 10 * DAY });
		await backUp(watched);
		await fail(watched, 'snapshot_unstable', 409);
		expect(await kinds(watched.webhook)).toEqual(['backup_unstable']);
	});

	test('that finds an unfinished restore sends an alert', async () => {
		const watched = operations();
		await backUp(watched);
		await run(env.DB, `CREATE TABLE ${RESTORE_MARKER} (step INTEGER PRIMARY KEY)`);
		await expect(backUp(watched)).rejects.toThrow();
		const [alert] = await receivedAlerts(watched.webhook);
		expect(alert).toMatchObject({ kind: 'backup_failed', code: 'restore_unfinished' });
		expect(alert?.text).toContain(RESTORE_MARKER);
	});

	test.for(['backup_running', 'lock_lost', 'ticket_spent', 'ticket_expired', 'ticket_invalid'])(
		'that ends with %s does not count as failed',
		async (code) => {
			const watched = operations({ ping: receiver('/ping') });
			await fail(watched, code, 409);
			expect(await received(watched.webhook)).toEqual([]);
			expect(await received(watched.settings.ping ?? watched.webhook)).toEqual([]);
		},
	);

	test('that fails repeatedly for the same reason sends one alert an hour', async () => {
		const watched = operations();
		await backUp(watched);
		for (const minutes of [0, 1, 10, 50, 10, 1]) {
			await fail(watched);
			clock.now += minutes * 60_000;
		}
		expect(await kinds(watched.webhook)).toEqual(['backup_failed', 'backup_failed']);
		await fail(watched, 'storage_error');
		expect(await kinds(watched.webhook)).toEqual(['backup_failed']);
	});

	test('that succeeds after failures sends one alert', async () => {
		const watched = operations();
		const failedAt = new Date(clock.now).toISOString().slice(0, 10);
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

	test('sends one alert when several calls fail at once', async () => {
		const watched = operations();
		await backUp(watched);
		await Promise.all(Array.from({ length: 10 }, () => fail(watched)));
		expect(await kinds(watched.webhook)).toEqual(['backup_failed']);
		clock.now += 2 * DAY;
		const [newest] = [
			{ startedAt: new Date(clock.now - 2 * DAY).toISOString(), name: 'x' },
		] as never[];
		await Promise.all(Array.from({ length: 10 }, () => watchAge(watched, newest)));
		expect(await kinds(watched.webhook)).toEqual(['backup_overdue']);
	});

	test.for([
		['grows', `INSERT INTO t SELECT hex(randomblob(10000)) FROM t, t, t`, 1],
		['shrinks', 'DELETE FROM t WHERE length(x) > 100', 1],
		['stays', 'SELECT 1', 0],
	] as const)('that %s beyond the limit sends an alert', async ([, sql, alerts]) => {
		await run(env.DB, `INSERT INTO t SELECT hex(randomblob(10000))`, `INSERT INTO t VALUES (2)`);
		const watched = operations();
		await backUp(watched);
		await run(env.DB, sql);
		await backUp(watched);
		expect(await kinds(watched.webhook)).toEqual(Array(alerts).fill('backup_size'));
	});

	test('that loses most of its rows sends an alert, whatever its size', async () => {
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

	test('sends pings with one run id when it starts and when it ends', async () => {
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

	test('whose answer is repeated does not send its alerts and pings again', async () => {
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

	test.for(['made', 'failed'])('once %s removes old audit log entries', async (outcome) => {
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
