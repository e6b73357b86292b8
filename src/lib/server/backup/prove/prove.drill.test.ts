import { env } from 'cloudflare:workers';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { reset } from '../../../../../tests/reset.ts';
import {
	backUp,
	change,
	clock,
	contents,
	engine,
	flipBit,
	keys,
	run,
	createBackup,
} from '../../../../../tests/backups.ts';
import { failingDatabase } from '../../../../../tests/failing.ts';
import { ageMarker } from '../../../../../tests/killed.ts';
import type { D1Database, R2Bucket } from '../../platform.ts';
import { d1 } from '../database.ts';
import { RESTORE_MARKER } from '../sql.ts';
import { listBackups } from '../index.ts';
import { type Engine } from '../engine.ts';
import { drillBackup, type ProofProgress } from './prove.ts';
import { MARKER_DEFINITION, readContents } from '../restore/contents.ts';
import { LEASE_MS, LOCK_KEYS } from '../storage/lock.ts';

beforeEach(reset);

describe('a drill', () => {
	const drill = (database: D1Database, name: string) =>
		drillBackup(engine(), database, `${name}.sql`);

	test('leaves the drill database empty and the app database alone', async () => {
		const name = await backUp();
		const before = [await contents(env.DRILL_DB), await contents(env.DB)];
		expect(await drill(env.DRILL_DB, name)).toMatchObject({ proven: true });
		expect([await contents(env.DRILL_DB), await contents(env.DB)]).toEqual(before);
		await change(`${name}.sql`, (bytes) => flipBit(bytes, 5000));
		expect(await drill(env.DRILL_DB, name)).toMatchObject({ proven: false });
		expect([await contents(env.DRILL_DB), await contents(env.DB)]).toEqual(before);
	});

	test('reports its steps', async () => {
		const name = await backUp();
		const told: ProofProgress[] = [];
		await drillBackup(engine(), env.DRILL_DB, `${name}.sql`, (step) => told.push(step));
		expect(told.map(({ step }) => step)).toEqual(['verify', 'restore', 'compare']);
		const size = (await env.MY_BUCKET.head(`${name}.sql`))?.size ?? 0;
		for (const { event, bytes, totalBytes } of told) {
			expect(event).toBe('step');
			expect(bytes).toBeLessThanOrEqual(size);
			expect(totalBytes).toBeLessThanOrEqual(size);
		}
	});

	test.for([
		['a table', `CREATE TABLE precious (x)`],
		['a view', `CREATE VIEW precious AS SELECT 1`],
		['tables of the same names', `CREATE TABLE a (id INTEGER PRIMARY KEY, x)`],
		['a virtual table', `CREATE VIRTUAL TABLE precious USING fts5(x)`],
	] as const)('is refused if the database has %s, which stays', async ([, sql]) => {
		const name = await backUp();
		await run(env.DRILL_DB, sql);
		const before = [await contents(env.DRILL_DB), JSON.stringify(await keys())];
		await expect(drill(env.DRILL_DB, name)).rejects.toMatchObject({
			code: 'drill_database_not_empty',
			status: 409,
			hint: expect.stringContaining('DRILL_DB'),
		});
		expect([await contents(env.DRILL_DB), JSON.stringify(await keys())]).toEqual(before);
	});

	test('is refused in the app database, which stays as it is', async () => {
		const name = await backUp();
		const before = await contents(env.DB);
		await expect(drill(env.DB, name)).rejects.toMatchObject({ code: 'drill_database_not_empty' });
		expect(await contents(env.DB)).toBe(before);
	});

	/** Leaves the state of a drill that was killed after restoring everything. */
	async function killDrill(name: string): Promise<void> {
		const { database } = failingDatabase(env.DRILL_DB, 5, 'D1_ERROR: disk I/O error', {
			forGood: true,
		});
		const log = vi.spyOn(console, 'error').mockImplementation(() => undefined);
		await expect(drill(database, name)).rejects.toMatchObject({ code: 'database_error' });
		log.mockRestore();
		expect(await contents(env.DRILL_DB)).toContain(RESTORE_MARKER);
	}

	test('removes the leftovers of a killed drill a minute later', async () => {
		const name = await backUp();
		await killDrill(name);
		const before = await contents(env.DRILL_DB);
		await expect(drill(env.DRILL_DB, name)).rejects.toMatchObject({ code: 'restore_running' });
		expect(await contents(env.DRILL_DB)).toBe(before);
		await ageMarker(env.DRILL_DB);
		expect(await drill(env.DRILL_DB, name)).toMatchObject({ proven: true });
	});

	test.for([
		['a table', 'CREATE TABLE precious (x)'],
		['a trigger', 'CREATE TRIGGER precious AFTER INSERT ON a BEGIN SELECT 1; END'],
	] as const)('is refused if that database also has %s', async ([, sql]) => {
		const name = await backUp();
		await killDrill(name);
		await run(env.DRILL_DB, sql);
		await ageMarker(env.DRILL_DB);
		const before = await contents(env.DRILL_DB);
		await expect(drill(env.DRILL_DB, name)).rejects.toMatchObject({
			code: 'drill_database_not_empty',
		});
		expect(await contents(env.DRILL_DB)).toBe(before);
	});

	test.for([
		['differently defined', `CREATE TABLE ${RESTORE_MARKER} (step INTEGER PRIMARY KEY)`],
		['without rows', MARKER_DEFINITION],
	] as const)('is refused if the marker is %s', async ([, marker]) => {
		const name = await backUp();
		await run(env.DRILL_DB, 'CREATE TABLE mine (x)', 'INSERT INTO mine VALUES (7)', marker);
		const before = await contents(env.DRILL_DB);
		await expect(drill(env.DRILL_DB, name)).rejects.toMatchObject({
			code: 'drill_database_not_empty',
		});
		await change(`${name}.sql`, () => new Uint8Array());
		await expect(drill(env.DRILL_DB, name)).rejects.toMatchObject({
			code: 'drill_database_not_empty',
		});
		expect(await contents(env.DRILL_DB)).toBe(before);
	});

	test('runs alone: others are refused in the meantime', async () => {
		const name = await backUp();
		const outcomes = await Promise.allSettled(
			Array.from({ length: 5 }, () => drill(env.DRILL_DB, name)),
		);
		const refused = outcomes.filter((outcome) => outcome.status === 'rejected');
		expect(refused).toHaveLength(4);
		for (const { reason } of refused) {
			expect(reason).toMatchObject({ code: 'drill_running', status: 409, retryable: true });
		}
		expect((await listBackups(engine())).backups).toMatchObject([{ drilled: { proven: true } }]);
	});

	test('and a backup can run at the same time', async () => {
		const name = await backUp();
		const until = clock.now + LEASE_MS;
		await env.MY_BUCKET.put(LOCK_KEYS.drill, JSON.stringify({ name, until }));
		await expect(createBackup(engine())).resolves.toBeTruthy();
		await env.MY_BUCKET.delete(LOCK_KEYS.drill);
		await env.MY_BUCKET.put(LOCK_KEYS.backup, JSON.stringify({ name, until }));
		expect(await drill(env.DRILL_DB, name)).toMatchObject({ proven: true });
	});

	test('takes over from a dead drill', async () => {
		const name = await backUp();
		await env.MY_BUCKET.put(LOCK_KEYS.drill, JSON.stringify({ name, until: clock.now + LEASE_MS }));
		await expect(drill(env.DRILL_DB, name)).rejects.toMatchObject({ code: 'drill_running' });
		clock.now += LEASE_MS + 1;
		expect(await drill(env.DRILL_DB, name)).toMatchObject({ proven: true });
		expect(await keys()).not.toContain(LOCK_KEYS.drill);
	});

	test('that was taken over no longer touches the database', async () => {
		const name = await backUp();
		let calls = 0;
		const stolen: D1Database = new Proxy(env.DRILL_DB, {
			get(target, property) {
				if (property !== 'withSession') return Reflect.get(target, property).bind(target);
				return (constraint: string) => {
					if (++calls > 3) throw new Error('touched');
					return target.withSession(constraint);
				};
			},
		});
		// Every reading of the clock is a minute later; before the fourth renewal another drill takes over.
		let renewals = 0;
		const bucket: R2Bucket = new Proxy(env.MY_BUCKET, {
			get(target, property) {
				if (property !== 'put') return Reflect.get(target, property).bind(target);
				return async (key: string, ...rest: [never, never]) => {
					if (key === LOCK_KEYS.drill && ++renewals === 5) await target.put(key, 'stolen');
					return target.put(key, ...rest);
				};
			},
		});
		const log = vi.spyOn(console, 'error').mockImplementation(() => undefined);
		const slow: Engine = { ...engine({ bucket }), now: () => (clock.now += 60_000) };
		await expect(drillBackup(slow, stolen, `${name}.sql`)).rejects.toMatchObject({
			code: 'lock_lost',
			status: 409,
		});
		log.mockRestore();
		expect(await keys()).toContain(LOCK_KEYS.drill);
		expect((await keys()).some((key) => key.includes('proof'))).toBe(false);
		// The next drill removes what it left.
		await ageMarker(env.DRILL_DB);
		expect(await drill(env.DRILL_DB, name)).toMatchObject({ proven: true });
	});

	test.for([
		['fails at', false],
		['loses the database at', true],
	] as const)('that %s any call does not prevent the next one', async ([, forGood]) => {
		const name = await backUp();
		const log = vi.spyOn(console, 'error').mockImplementation(() => undefined);
		const message = 'D1_ERROR: disk I/O error';
		for (let n = 1, failed = true; failed; n++) {
			const { database, failures } = failingDatabase(env.DRILL_DB, n, message, { forGood });
			const attempt = drill(database, name);
			failed = await attempt.then(
				() => failures.failed > 0,
				() => true,
			);
			const { marker } = await readContents(d1(env.DRILL_DB), async () => {});
			if (marker) await ageMarker(env.DRILL_DB);
			expect(await drill(env.DRILL_DB, name), `after failure ${n}`).toMatchObject({ proven: true });
			expect(await keys()).not.toContain(LOCK_KEYS.drill);
			if (!failed) expect(n).toBeGreaterThan(5);
		}
		log.mockRestore();
	});
});
