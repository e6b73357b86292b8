import { env } from 'cloudflare:workers';
import fc from 'fast-check';
import { beforeEach, expect, test } from 'vitest';
import { settings } from '../databases/settings.ts';
import { reset } from '../reset.ts';
import { engine, run } from '../backups.ts';
import { operationsOn } from '../operations.ts';
import { failingDatabase } from '../failing.ts';
import { receivedAlerts, receiver } from '../receivers.ts';
import { listBackups, startBackup } from '../../src/lib/server/backup/index.ts';
import { type BackupProgress } from '../../src/lib/server/backup/engine.ts';
import { LifeboatError } from '../../src/lib/server/errors.ts';
import { newestBackup, undueBackup } from '../../src/lib/server/operations/due.ts';
import { listContext } from '../../src/lib/server/operations/index.ts';
import { watchAge, watchBackup } from '../../src/lib/server/operations/watch.ts';

// Simulates a week of a schedule as unreliable as GitHub's, with a clock passed to everything.

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const START = Date.UTC(2026, 10, 16);
/** Backups may be two days old; the schedule checks daily, and one is due after half of that. */
const MAX_AGE = 2 * DAY;

let now = START;
let running = 0;
let webhook: URL;

beforeEach(async () => {
	await reset();
	await run(env.DB, 'DROP TABLE IF EXISTS t', 'CREATE TABLE t (x)', `INSERT INTO t VALUES (1)`);
	[now, running, webhook] = [START, 0, receiver()];
});

const operations = () => operationsOn(() => now, { webhook, maxAgeMs: MAX_AGE });

/** One run of the schedule: makes a backup if one is due. Returns the outcome. */
async function scheduled(database = env.DB): Promise<'made' | 'undue' | 'running' | 'failed'> {
	const watched = operations();
	if (await undueBackup(watched)) return 'undue';
	try {
		await watchBackup(
			watched,
			() => {},
			({ report }) => startBackup(engine({ database, now: () => now++ }), alone(report)),
		);
		return 'made';
	} catch (error) {
		if (!(error instanceof LifeboatError)) throw error;
		return error.code === 'backup_running' ? 'running' : 'failed';
	} finally {
		running = 0;
	}
}

/** Fails if two backups are made at once. */
function alone(report: (progress: BackupProgress) => void) {
	return (progress: BackupProgress) => {
		if (progress.event === 'step') expect(++running).toBe(1);
		report(progress);
	};
}

const alerts = async () => (await receivedAlerts(webhook)).map(({ kind }) => kind);

async function startTimes(): Promise<number[]> {
	const { backups } = await listBackups(listContext(operations()), { limit: 100 });
	return backups.map(({ startedAt }) => Date.parse(startedAt)).reverse();
}

/** Runs the schedule at these hours; an hour that occurs twice means two simultaneous runs. */
async function week(
	runs: { at: number; twice: boolean }[],
	database = () => env.DB,
	afterRun = async () => {},
): Promise<void> {
	for (const { at, twice } of runs.toSorted((a, b) => a.at - b.at)) {
		now = Math.max(now, START + at * HOUR);
		await (twice
			? Promise.all([scheduled(database()), scheduled(database())])
			: scheduled(database()));
		await afterRun();
	}
}

/** Daily at four, up to ten hours late, sometimes twice, and never skipped twice in a row. */
const schedule = fc
	.array(
		fc.record({
			late: fc.double({ min: 0, max: 10, noNaN: true }),
			twice: fc.boolean(),
			skipped: fc.boolean(),
		}),
		{
			minLength: 8,
			maxLength: 8,
		},
	)
	.map((days) =>
		days.flatMap(({ late, twice, skipped }, day) =>
			skipped && !days[day - 1]?.skipped && day > 0 ? [] : [{ at: day * 24 + 4 + late, twice }],
		),
	);

// A schedule takes longer than any other case, but fewer than ten would miss most combinations.
const random = settings(80);

test('late, duplicated and skipped runs always leave a fresh backup', random.test, async () => {
	await fc.assert(
		fc.asyncProperty(schedule, async (runs) => {
			await reset();
			[now, running] = [START, 0];
			// After each run, the newest backup is well below the maximum age.
			await week(runs, undefined, async () => {
				expect(now - ((await startTimes()).at(-1) ?? 0)).toBeLessThan(MAX_AGE / 2);
			});
			const times = await startTimes();
			const gaps = times.slice(1).map((time, i) => time - (times[i] ?? 0));
			// No more backups than were due: duplicated runs make one.
			for (const gap of gaps) expect(gap).toBeGreaterThanOrEqual(MAX_AGE / 2);
		}),
		random.check,
	);
});

test('two runs at the same moment make one backup', async () => {
	const outcomes = await Promise.all([scheduled(), scheduled(), scheduled()]);
	expect(outcomes.filter((outcome) => outcome === 'made')).toHaveLength(1);
	expect(await startTimes()).toHaveLength(1);
	expect(await alerts()).toEqual([]);
});

test('while backups fail there is one overdue alert, and one alert when they succeed again', async () => {
	let away = false;
	const database = () => {
		const failing = failingDatabase(env.DB, 1, 'D1_ERROR: away', { forGood: true });
		return away ? (failing.database as typeof env.DB) : env.DB;
	};
	const days = (from: number, to: number) =>
		Array.from({ length: to - from }, (_, i) => ({ at: (from + i) * 24 + 4, twice: false }));
	await week(days(0, 2), database);
	expect(await alerts()).toEqual([]);
	away = true;
	await week(days(2, 6), database);
	const told = await alerts();
	expect(told.filter((kind) => kind === 'backup_overdue')).toHaveLength(1);
	expect(told.filter((kind) => kind === 'backup_failed')).toHaveLength(4);
	away = false;
	await week(days(6, 8), database);
	expect(await alerts()).toEqual(['backup_recovered']);
	expect((await startTimes()).length).toBe(4);
});

test('when no run comes at all, the health check sends the alert', async () => {
	await scheduled();
	now += 3 * DAY;
	const newest = await newestBackup(operations());
	await watchAge(operations(), newest);
	await watchAge(operations(), newest);
	expect(await alerts()).toEqual(['backup_overdue']);
	await scheduled();
	expect(await alerts()).toEqual(['backup_recovered']);
});
