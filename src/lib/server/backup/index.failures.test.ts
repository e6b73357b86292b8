import { env } from 'cloudflare:workers';
import { beforeEach, describe, expect, test } from 'vitest';
import { large, small } from '../../../../tests/sample-databases.ts';
import { isTurn, SEED } from '../../../../tests/counts.ts';
import { reset } from '../../../../tests/reset.ts';
import { clock, createBackup, emptyBucket, engine, keys, run } from '../../../../tests/backups.ts';
import { failingDatabase, failingBucket, type Failures } from '../../../../tests/failing.ts';
import type { D1Database } from '../platform.ts';
import { listBackups, startBackup } from './index.ts';
import { type Engine } from './engine.ts';
import { manifestKey, sliceListKey } from './format/names.ts';
import { verifyBackup } from './prove/prove.ts';
import { LEASE_MS, LOCK_KEYS } from './storage/lock.ts';

beforeEach(reset);

/** A database that takes several calls: a row too long for one statement among others. */
const inParts = () =>
	run(
		env.DB,
		`CREATE TABLE a (id INTEGER PRIMARY KEY AUTOINCREMENT, x)`,
		`INSERT INTO a (x) VALUES (1), (zeroblob(100000)), (3)`,
	);

/** Runs backups that fail at the first, second, … call, until one makes fewer calls than that. */
async function failAtEveryCall(
	fail: (n: number) => { engine: Engine; failures: Failures },
): Promise<number> {
	for (let n = 1; ; n++) {
		const { engine: failing, failures } = fail(n);
		const outcome = await createBackup(failing).then(
			(manifest) => ({ manifest, error: null }),
			(error: unknown) => ({ manifest: null, error }),
		);
		if (failures.failed === 0) return n - 1;
		expect(await failures.openUploads(), `uploads left by failure ${n}`).toEqual([]);
		if (outcome.manifest) {
			// Only the clean-up failed, and was retried.
			expect(await keys()).toHaveLength(3);
		} else {
			expect(outcome.error, `failure ${n}`).toMatchObject({
				code: expect.stringMatching(/^(storage|database)_error$/),
				status: 500,
			});
			expect(await keys(), `objects left by failure ${n}`).toEqual([]);
		}
		await createBackup(engine());
		await emptyBucket();
	}
}

describe('failures', () => {
	test('because of files with the same name leave those files alone', async () => {
		await small();
		const frozen = clock.now + 1_000_000;
		const key = `full_backup_${new Date(frozen).toISOString()}.sql`;
		await env.MY_BUCKET.put(key, 'of somebody');
		await expect(startBackup({ ...engine(), now: () => frozen })).rejects.toMatchObject({
			code: 'backup_exists',
		});
		expect(await keys()).toEqual([key]);
	});

	test('to remove leftovers do not block a backup, and a later one removes them', async () => {
		await small();
		const dead = 'full_backup_2026-01-01T00:00:00.000Z';
		await env.MY_BUCKET.put(`${dead}.sql`, 'a part');
		await env.MY_BUCKET.put(LOCK_KEYS.backup, JSON.stringify({ name: dead, until: 0 }));
		const broken = new Proxy(env.MY_BUCKET, {
			get(target, property) {
				const value: unknown = Reflect.get(target, property);
				if (property === 'delete') return () => Promise.reject(new Error('delete: 10001'));
				return typeof value === 'function' ? value.bind(target) : value;
			},
		});
		const first = await startBackup(engine({ bucket: broken }));
		expect(first).toHaveProperty('manifest');
		expect(await keys()).toContain(`${dead}.sql`);
		clock.now += LEASE_MS;
		await createBackup(engine());
		expect(await keys()).not.toContain(`${dead}.sql`);
	});

	test('of D1 at any call end the backup, and nothing is left', async () => {
		await inParts();
		const calls = await failAtEveryCall((n) => {
			const { database, failures } = failingDatabase(env.DB, n, 'D1_ERROR: disk I/O error');
			return { engine: engine({ database }), failures };
		});
		expect(calls).toBeGreaterThanOrEqual(4);
	});

	test('of D1 that it says to retry, at any call, do not fail the backup', async () => {
		await inParts();
		for (let n = 1; n <= 4; n++) {
			const { database, failures } = failingDatabase(
				env.DB,
				n,
				'D1_ERROR: Network connection lost.',
			);
			await expect(createBackup(engine({ database }))).resolves.toBeTruthy();
			expect(failures.failed).toBe(1);
		}
	});

	test('of D1 that do not end are reported as database_unavailable', async () => {
		const lost = new Error('D1_ERROR: Network connection lost.');
		const database = {
			withSession: () => ({ prepare: () => ({}), batch: () => Promise.reject(lost) }),
		} as unknown as D1Database;
		await expect(createBackup(engine({ database }))).rejects.toMatchObject({
			code: 'database_unavailable',
			status: 503,
			retryable: true,
		});
		expect(await keys()).toEqual([]);
	});

	describe.for([
		['a small backup', small, 4],
		['a backup in parts', () => large(150), 6],
	] as const)('of R2 at %s', ([, fill, least]) => {
		test.for([false, true])(
			'in any one write (done nevertheless: %s) do not fail it',
			async (afterwards) => {
				await fill();
				for (let n = 1; ; n++) {
					if (!isTurn(n + Number(afterwards))) continue; // before one write, and after the next
					const { bucket, failures } = failingBucket(env.MY_BUCKET, n, { afterwards });
					const { name } = await createBackup(engine({ bucket }));
					if (failures.failed === 0) {
						expect(n).toBeGreaterThanOrEqual(least);
						return;
					}
					const left = afterwards ? [] : await failures.openUploads(); // R2 aborts uploads whose id was lost
					expect(left, `uploads left by failure ${n}`).toEqual([]);
					expect(await keys(), `failure ${n}, LIFEBOAT_SEED=${SEED}`).toEqual([
						manifestKey(name),
						sliceListKey(name),
						`${name}.sql`,
					]);
					expect((await verifyBackup(engine(), `${name}.sql`)).proven).toBe(true);
					await emptyBucket();
				}
			},
		);

		test('in every write from any point on leave no backup, and the next one cleans up', async () => {
			await fill();
			for (let n = 1; ; n++) {
				if (!isTurn(n)) continue;
				const { bucket, failures } = failingBucket(env.MY_BUCKET, n, { forGood: true });
				const error = await createBackup(engine({ bucket })).then(
					() => null,
					(reason: unknown) => reason,
				);
				if (error === null) {
					// Only the release of the lock failed.
					expect(n).toBeGreaterThanOrEqual(least);
					return;
				}
				expect(error, `failure ${n}`).toMatchObject({ code: 'storage_error', status: 500 });
				expect(failures.failed).toBeGreaterThan(0);
				expect((await listBackups(engine())).backups).toEqual([]);
				clock.now += LEASE_MS;
				const { name } = await createBackup(engine());
				expect(await keys(), `failure ${n}`).toEqual([
					manifestKey(name),
					sliceListKey(name),
					`${name}.sql`,
				]);
				await emptyBucket();
			}
		});
	});
});
