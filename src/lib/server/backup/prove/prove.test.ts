import { env } from 'cloudflare:workers';
import type { D1Database, R2Bucket } from '@cloudflare/workers-types';
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
import { d1, RESTORE_MARKER } from '../database.ts';
import { listBackups } from '../index.ts';
import { type Engine } from '../engine.ts';
import { manifestKey } from '../format/names.ts';
import { type OutsideProof, parseProof, type Proof, proofKey } from '../format/proof.ts';
import { drillBackup, type ProofProgress, recordProof, verifyBackup } from './prove.ts';
import { MARKER_DEFINITION, readContents } from '../restore/contents.ts';
import { LEASE_MS, LOCK_KEYS } from '../storage/lock.ts';

beforeEach(reset);

async function storedProof({ backup, finishedAt }: Proof): Promise<Proof | null> {
	const object = await env.MY_BUCKET.get(proofKey(backup, finishedAt));
	return parseProof(await object?.text());
}

/** The ways to prove a backup, which must find the same. */
const ways: Record<Proof['kind'], (name: string) => Promise<Proof>> = {
	verify: (name) => verifyBackup(engine(), name),
	drill: (name) => drillBackup(engine(), env.DRILL_DB, name),
};

describe.for(Object.entries(ways))('to %s', ([kind, prove]) => {
	test('a good backup proves it, and stores the proof', async () => {
		const name = await backUp();
		const before = await keys();
		const proof = await prove(`${name}.sql`);
		const size = (await env.MY_BUCKET.head(`${name}.sql`))?.size;
		expect(proof).toMatchObject({
			...{ format: 1, backup: name, kind, by: 'worker', proven: true, differences: [] },
			...{ tables: 4, rows: 8, bytes: size },
		});
		expect(proof.startedAt < proof.finishedAt).toBe(true);
		expect(await storedProof(proof)).toEqual(proof);
		expect(await keys()).toEqual([...before, proofKey(name, proof.finishedAt)].sort());
	});

	test('finds the backup by any of its files', async () => {
		const name = await backUp();
		const first = await prove(manifestKey(name));
		const second = await prove(proofKey(name, first.finishedAt));
		expect([first.backup, second.backup]).toEqual([name, name]);
	});

	test.for(['other.sql', '', 'lifeboat.lock', 'full_backup_2026-01-01T00:00:00.000Z.sql'])(
		'"%s" is refused: there is no such backup',
		async (file) => {
			await backUp();
			if (file) await env.MY_BUCKET.put(file, 'x');
			const before = await keys();
			await expect(prove(file)).rejects.toMatchObject({ code: 'backup_not_found', status: 404 });
			expect(await keys()).toEqual(before);
		},
	);

	test('a backup with any bit flipped says what differs', async () => {
		const name = await backUp();
		const size = (await env.MY_BUCKET.head(`${name}.sql`))?.size ?? 0;
		for (let bit = 3; bit < 8 * size; bit += 997) {
			await change(`${name}.sql`, (bytes) => flipBit(bytes, bit));
			const proof = await prove(`${name}.sql`);
			expect([bit, proof.proven]).toEqual([bit, false]);
			expect(proof.differences).not.toEqual([]);
			expect(await storedProof(proof)).toEqual(proof);
			await change(`${name}.sql`, (bytes) => flipBit(bytes, bit));
		}
		expect(await prove(`${name}.sql`)).toMatchObject({ proven: true });
	});

	test('a backup without its volume says so', async () => {
		const name = await backUp();
		await env.MY_BUCKET.delete(`${name}.sql`);
		const proof = await prove(`${name}.sql`);
		expect(proof).toMatchObject({
			proven: false,
			differences: [expect.stringContaining('missing')],
		});
	});

	test('a backup whose manifest names another one’s file says what differs', async () => {
		const name = await backUp();
		await run(env.DB, `UPDATE a SET x = 3 WHERE id = 1`);
		const other = (await createBackup(engine())).name;
		await change(manifestKey(name), (bytes) => {
			const text = new TextDecoder().decode(bytes);
			return new TextEncoder().encode(text.replaceAll(`${name}.sql`, `${other}.sql`));
		});
		expect(await prove(`${name}.sql`)).toMatchObject({ proven: false });
	});

	test('a manifest under the name of another backup is refused, as in the list', async () => {
		const name = await backUp();
		const copy = 'full_backup_2026-01-01T00:00:00.000Z';
		const manifest = await env.MY_BUCKET.get(manifestKey(name));
		await env.MY_BUCKET.put(manifestKey(copy), (await manifest?.text()) ?? '');
		await expect(prove(manifestKey(copy))).rejects.toMatchObject({ code: 'backup_not_found' });
	});

	test('a backup whose manifest is damaged is an error', async () => {
		const name = await backUp();
		await change(manifestKey(name), (bytes) => bytes.subarray(1));
		const before = await keys();
		await expect(prove(`${name}.sql`)).rejects.toMatchObject({ code: 'manifest_unreadable' });
		expect(await keys()).toEqual(before);
	});
});

test('a bucket that fails while a backup is read is no damage', async () => {
	const name = await backUp();
	const body = new ReadableStream({ pull: (controller) => controller.error(new Error('away')) });
	const bucket = new Proxy(env.MY_BUCKET, {
		get(target, property) {
			if (property !== 'get') return Reflect.get(target, property).bind(target);
			return async (key: string) => (key.endsWith('.sql') ? { body } : target.get(key));
		},
	});
	const before = await keys();
	const attempt = verifyBackup(engine({ bucket }), `${name}.sql`);
	await expect(attempt).rejects.toMatchObject({ code: 'storage_error', status: 500 });
	expect(await keys()).toEqual(before);
});

describe('a drill', () => {
	const drill = (database: D1Database, name: string) =>
		drillBackup(engine(), database, `${name}.sql`);

	test('leaves the drill database as empty as it was, and the database alone', async () => {
		const name = await backUp();
		const before = [await contents(env.DRILL_DB), await contents(env.DB)];
		expect(await drill(env.DRILL_DB, name)).toMatchObject({ proven: true });
		expect([await contents(env.DRILL_DB), await contents(env.DB)]).toEqual(before);
		await change(`${name}.sql`, (bytes) => flipBit(bytes, 5000));
		expect(await drill(env.DRILL_DB, name)).toMatchObject({ proven: false });
		expect([await contents(env.DRILL_DB), await contents(env.DB)]).toEqual(before);
	});

	test('tells its steps', async () => {
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
	] as const)('is refused where the database has %s, which stays', async ([, sql]) => {
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

	test('is refused in the database of the app, which stays', async () => {
		const name = await backUp();
		const before = await contents(env.DB);
		await expect(drill(env.DB, name)).rejects.toMatchObject({ code: 'drill_database_not_empty' });
		expect(await contents(env.DB)).toBe(before);
	});

	/** What a drill leaves that was killed when it had restored all. */
	async function killDrill(name: string): Promise<void> {
		const { database } = failingDatabase(env.DRILL_DB, 5, 'D1_ERROR: disk I/O error', {
			forGood: true,
		});
		const log = vi.spyOn(console, 'error').mockImplementation(() => undefined);
		await expect(drill(database, name)).rejects.toMatchObject({ code: 'database_error' });
		log.mockRestore();
		expect(await contents(env.DRILL_DB)).toContain(RESTORE_MARKER);
	}

	test('removes what a killed drill has left, a minute later', async () => {
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
	] as const)('is refused where that database also has %s', async ([, sql]) => {
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
		['of another definition', `CREATE TABLE ${RESTORE_MARKER} (step INTEGER PRIMARY KEY)`],
		['without rows', MARKER_DEFINITION],
	] as const)('is refused where the marker is one %s', async ([, marker]) => {
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

	test('runs alone: others are refused meanwhile', async () => {
		const name = await backUp();
		const outcomes = await Promise.allSettled(
			Array.from({ length: 5 }, () => drill(env.DRILL_DB, name)),
		);
		const refused = outcomes.filter((outcome) => outcome.status === 'rejected');
		expect(refused).toHaveLength(4);
		for (const { reason } of refused) {
			expect(reason).toMatchObject({ code: 'drill_running', status: 409, retryable: true });
		}
		expect((await listBackups(env.MY_BUCKET)).backups).toMatchObject([
			{ drilled: { proven: true } },
		]);
	});

	test('does not keep backups from running, nor they it', async () => {
		const name = await backUp();
		const until = clock.now + LEASE_MS;
		await env.MY_BUCKET.put(LOCK_KEYS.drill, JSON.stringify({ name, until }));
		await expect(createBackup(engine())).resolves.toBeTruthy();
		await env.MY_BUCKET.delete(LOCK_KEYS.drill);
		await env.MY_BUCKET.put(LOCK_KEYS.backup, JSON.stringify({ name, until }));
		expect(await drill(env.DRILL_DB, name)).toMatchObject({ proven: true });
	});

	test('takes over from one that has died', async () => {
		const name = await backUp();
		await env.MY_BUCKET.put(LOCK_KEYS.drill, JSON.stringify({ name, until: clock.now + LEASE_MS }));
		await expect(drill(env.DRILL_DB, name)).rejects.toMatchObject({ code: 'drill_running' });
		clock.now += LEASE_MS + 1;
		expect(await drill(env.DRILL_DB, name)).toMatchObject({ proven: true });
		expect(await keys()).not.toContain(LOCK_KEYS.drill);
	});

	test('that was taken over touches the database no more', async () => {
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
		// Every look at the clock is a minute later; before the fourth renewal another drill has come.
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
		// What it has left is removed by the next one.
		await ageMarker(env.DRILL_DB);
		expect(await drill(env.DRILL_DB, name)).toMatchObject({ proven: true });
	});

	test.for([
		['fails at', false],
		['loses the database at', true],
	] as const)('that %s any call is followed by one that succeeds', async ([, forGood]) => {
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

describe('a proof from outside', () => {
	const outside = (changes: Partial<OutsideProof> = {}): OutsideProof => {
		const at = new Date(clock.now).toISOString();
		return {
			...{ kind: 'drill', by: 'GitHub Actions', startedAt: at, finishedAt: at },
			...{ proven: true, scope: 'contents', tables: 4, rows: 8, bytes: 1000, differences: [] },
			...changes,
		};
	};

	test('is stored beside the backup', async () => {
		const name = await backUp();
		const found = outside();
		const proof = await recordProof(engine(), `${name}.sql`, found);
		expect(proof).toEqual({ format: 1, backup: name, ...found, engine: expect.anything() });
		expect(await storedProof(proof)).toEqual(proof);
	});

	test('that comes twice is stored once; another one never overwrites it', async () => {
		const name = await backUp();
		const found = outside();
		const proof = await recordProof(engine(), `${name}.sql`, found);
		const before = await keys();
		expect(await recordProof(engine(), `${name}.sql`, found)).toEqual(proof);
		const other = outside({ ...found, proven: false });
		await expect(recordProof(engine(), `${name}.sql`, other)).rejects.toMatchObject({
			code: 'proof_exists',
			status: 409,
		});
		expect(await keys()).toEqual(before);
		expect(await storedProof(proof)).toEqual(proof);
	});

	test('of the future is refused, a clock that is a little ahead is not', async () => {
		const name = await backUp();
		const before = await keys();
		const ahead = (milliseconds: number) =>
			recordProof(
				engine(),
				`${name}.sql`,
				outside({ finishedAt: new Date(clock.now + milliseconds).toISOString() }),
			);
		await expect(ahead(10 * 60_000)).rejects.toMatchObject({
			code: 'proof_from_future',
			status: 400,
		});
		expect(await keys()).toEqual(before);
		await expect(ahead(60_000)).resolves.toBeTruthy();
	});

	test('of no backup is refused', async () => {
		const name = await backUp();
		await env.MY_BUCKET.delete(manifestKey(name));
		const before = await keys();
		await expect(recordProof(engine(), `${name}.sql`, outside())).rejects.toMatchObject({
			code: 'backup_not_found',
		});
		expect(await keys()).toEqual(before);
	});
});
