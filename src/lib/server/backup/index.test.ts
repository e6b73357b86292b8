import { env } from 'cloudflare:workers';
import type { D1Database, R2Bucket } from '@cloudflare/workers-types';
import { beforeEach, describe, expect, test } from 'vitest';
import { reset } from '../../../../tests/reset.ts';
import { createBackup, keys } from '../../../../tests/backups.ts';
import { failingDatabase, failingBucket, type Failures } from '../../../../tests/failing.ts';
import { restoreIntoCopy } from '../../../../tests/restore.ts';
import { describeFile, listBackups, openFile, startBackup } from './index.ts';
import { type Engine } from './engine.ts';
import { parseManifest } from './format/manifest.ts';
import { manifestKey } from './format/names.ts';
import { verifyBackup } from './prove/prove.ts';
import { LEASE_MS, LOCK_KEYS } from './storage/lock.ts';
import { PART_BYTES } from './storage/volume.ts';

beforeEach(reset);

let clock = Date.UTC(2026, 10, 22);

function engine({ database = env.DB, bucket = env.MY_BUCKET }: Partial<Engine> = {}): Engine {
	return { database, bucket, now: () => clock++, sleep: async () => {} };
}

const run = (...statements: string[]) => env.DB.batch(statements.map((sql) => env.DB.prepare(sql)));

async function volumeText(name: string): Promise<string> {
	const object = await env.MY_BUCKET.get(`${name}.sql`);
	return (await object?.text()) ?? '';
}

async function sha256(bytes: ArrayBuffer): Promise<string> {
	return new Uint8Array(await crypto.subtle.digest('SHA-256', bytes)).toHex();
}

/** A database of a few tables that fits one batch. */
const small = () =>
	run(
		`CREATE TABLE a (id INTEGER PRIMARY KEY AUTOINCREMENT, x)`,
		`CREATE TABLE b (k TEXT PRIMARY KEY, a REFERENCES a (id)) WITHOUT ROWID`,
		`CREATE VIRTUAL TABLE ft USING fts5(x)`,
		`INSERT INTO a (x) VALUES (1), ('two'), (x'03')`,
		`INSERT INTO b VALUES ('k', 2)`,
		`INSERT INTO ft VALUES ('hello')`,
	);

/** SQL of this many times 40 kB. */
const large = (rows: number) =>
	run(
		`CREATE TABLE blobs (id INTEGER PRIMARY KEY, x BLOB)`,
		`WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < ${rows}) INSERT INTO blobs SELECT i, randomblob(20000) FROM n`,
	);

/** A database that takes several calls: a row too long for one statement, between others. */
const inParts = () =>
	run(
		`CREATE TABLE a (id INTEGER PRIMARY KEY AUTOINCREMENT, x)`,
		`INSERT INTO a (x) VALUES (1), (zeroblob(100000)), (3)`,
	);

describe('a backup', () => {
	test('is a volume and a manifest that describes it', async () => {
		await small();
		const manifest = await createBackup(engine());

		expect(await keys()).toEqual([manifestKey(manifest.name), `${manifest.name}.sql`]);
		const stored = await env.MY_BUCKET.get(manifestKey(manifest.name));
		expect(parseManifest((await stored?.text()) ?? '')).toEqual(manifest);
		const volume = await env.MY_BUCKET.get(`${manifest.name}.sql`);
		const bytes = (await volume?.arrayBuffer()) ?? new ArrayBuffer();
		expect(manifest.volumes).toEqual([
			{
				key: `${manifest.name}.sql`,
				bytes: bytes.byteLength,
				sqlBytes: bytes.byteLength,
				sha256: await sha256(bytes),
				encodings: [],
			},
		]);
		expect(manifest.snapshot).toMatchObject({ consistency: 'atomic', attempts: 1 });
		expect(manifest.tables.map(({ name, rows }) => [name, rows])).toEqual([
			['a', 3],
			['b', 1],
			['ft', 1],
			['sqlite_sequence', 1],
		]);
	});

	test('of an empty database restores to an empty database', async () => {
		const manifest = await createBackup(engine());
		await restoreIntoCopy(await volumeText(manifest.name));
		const objects = await env.COPY.prepare(
			`SELECT name FROM sqlite_schema WHERE name NOT LIKE '\\_cf%' ESCAPE '\\'`,
		).raw();
		expect(objects).toEqual([]);
	});

	test('of the same state has the same digests, also of the restored state', async () => {
		await small();
		await run(
			`CREATE TABLE reals (x)`,
			`INSERT INTO reals VALUES (0.1), (1e300), (5e-324), (-0.0), (1.0), (9e999), (0.1 + 0.2)`,
		);
		const first = await createBackup(engine());
		const second = await createBackup(engine());
		await restoreIntoCopy(await volumeText(first.name));
		const third = await createBackup(engine({ database: env.COPY }));
		expect(second.tables).toEqual(first.tables);
		expect(third.tables).toEqual(first.tables);
		expect(third.schema).toEqual(first.schema);
	});

	test('larger than a part is uploaded in parts and its digest is right', async () => {
		await large(300);
		const manifest = await createBackup(engine());
		const volume = await env.MY_BUCKET.get(`${manifest.name}.sql`);
		const bytes = (await volume?.arrayBuffer()) ?? new ArrayBuffer();
		expect(bytes.byteLength).toBeGreaterThan(2 * PART_BYTES);
		expect(manifest.volumes[0]).toMatchObject({
			bytes: bytes.byteLength,
			sha256: await sha256(bytes),
		});
		expect(manifest.snapshot.consistency).toBe('fenced');
	});

	test('reads each row once', async () => {
		await run(
			`CREATE TABLE t (id INTEGER PRIMARY KEY, x TEXT)`,
			`WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 50000) INSERT INTO t SELECT i, printf('some text of row %d', i) FROM n`,
		);
		const { cost } = await createBackup(engine());
		expect(cost.rowsRead).toBeLessThan(50000 * 1.01);
	});

	test('goes on with smaller pages where rows suddenly are long', async () => {
		const rows = (from: number, to: number, text: string) =>
			`WITH RECURSIVE n (i) AS (VALUES (${from}) UNION ALL SELECT i + 1 FROM n WHERE i < ${to}) INSERT INTO t SELECT i, ${text} FROM n`;
		await run(
			`CREATE TABLE t (id INTEGER PRIMARY KEY, x TEXT)`,
			rows(1, 1100, `'short'`),
			rows(1101, 1500, `printf('%080000d', i)`),
		);
		const manifest = await createBackup(engine());
		// One page of all of them would be 32 MB, more than even the embedded D1 gives.
		expect(manifest.tables).toMatchObject([{ name: 't', rows: 1500 }]);
		await restoreIntoCopy(await volumeText(manifest.name));
		const [sums] = await env.COPY.prepare('SELECT count(*), sum(length(x)), sum(x) FROM t').raw();
		expect(sums).toEqual([1500, 1100 * 5 + 400 * 80_000, (400 * (1101 + 1500)) / 2]);
	});

	test('changes nothing in the database', async () => {
		await small();
		const all = async () =>
			JSON.stringify(
				await Promise.all(
					[`sqlite_schema`, `a`, `b`, `ft`, `sqlite_sequence`].map((table) =>
						env.DB.prepare(`SELECT * FROM ${table} WHERE rowid IS NOT NULL OR 1`)
							.raw()
							.catch(() => env.DB.prepare(`SELECT * FROM ${table}`).raw()),
					),
				),
			);
		const before = await all();
		await createBackup(engine());
		expect(await all()).toBe(before);
	});

	test('names the state for Time Travel', async () => {
		await small();
		const { snapshot } = await createBackup(engine());
		expect(snapshot.bookmark).toMatch(/^[0-9a-f]{8}-/);
	});

	test('warns of what it cannot carry', async () => {
		await run(
			`CREATE VIRTUAL TABLE empty USING fts5(x, content='')`,
			`INSERT INTO empty (rowid, x) VALUES (1, 'lost')`,
		);
		const { warnings } = await createBackup(engine());
		expect(warnings).toEqual([expect.stringContaining('"empty" is contentless')]);
	});
});

describe('the list', () => {
	test('shows complete backups only, newest first, page by page', async () => {
		await small();
		const names: string[] = [];
		for (let count = 0; count < 5; count++) names.unshift((await createBackup(engine())).name);
		await env.MY_BUCKET.put('full_backup_2026-11-22T00:00:00.000Z.sql', 'no manifest');
		await env.MY_BUCKET.put('notes.manifest.json', '{}');
		await env.MY_BUCKET.put('full_backup_x.manifest.json', '{}');
		await env.MY_BUCKET.put('photo.png', 'x');

		const first = await listBackups(env.MY_BUCKET, { limit: 2 });
		const second = await listBackups(env.MY_BUCKET, { limit: 2, cursor: first.cursor ?? '' });
		const third = await listBackups(env.MY_BUCKET, { limit: 2, cursor: second.cursor ?? '' });
		const listed = [first, second, third].flatMap((page) => page.backups.map(({ name }) => name));
		expect(listed).toEqual(names);
		expect(third.cursor).toBeNull();
		expect(first.backups[0]).toMatchObject({ rows: 6, tables: 4, files: [`${names[0]}.sql`] });
	});

	test('shows a backup that another tool has copied here without its metadata', async () => {
		await small();
		const { name } = await createBackup(engine());
		const listed = await listBackups(env.MY_BUCKET);
		const manifest = await env.MY_BUCKET.get(manifestKey(name));
		await env.MY_BUCKET.put(manifestKey(name), (await manifest?.text()) ?? '');
		expect(listed.backups).toHaveLength(1);
		expect(await listBackups(env.MY_BUCKET)).toEqual(listed);

		await env.MY_BUCKET.put(manifestKey(name), 'damaged');
		expect((await listBackups(env.MY_BUCKET)).backups).toEqual([]);
	});

	test('an unknown cursor is refused', async () => {
		await expect(listBackups(env.MY_BUCKET, { cursor: 'full_backup_never' })).rejects.toMatchObject(
			{
				code: 'cursor_unknown',
				status: 400,
			},
		);
	});

	test('goes on beyond one page of the bucket', { timeout: 60_000 }, async () => {
		const { name } = await createBackup(engine());
		const object = await env.MY_BUCKET.get(manifestKey(name));
		const text = (await object?.text()) ?? '';
		for (let number = 100; number < 350; number++) {
			const copy = `full_backup_2025-01-01T00:00:00.${number}Z`;
			const summary = object?.customMetadata?.['summary']?.replaceAll(name, copy) ?? '';
			await env.MY_BUCKET.put(manifestKey(copy), text, { customMetadata: { summary } });
		}
		let seen = 0;
		let cursor: string | undefined;
		do {
			const page = await listBackups(env.MY_BUCKET, { limit: 100, cursor });
			seen += page.backups.length;
			cursor = page.cursor ?? undefined;
		} while (cursor);
		expect(seen).toBe(251);
	});
});

describe('a file', () => {
	test('of a complete backup is found and read', async () => {
		await small();
		const { name } = await createBackup(engine());
		const file = await describeFile(env.MY_BUCKET, `${name}.sql`);
		const part = await openFile(env.MY_BUCKET, file, { offset: 3, length: 8 });
		expect(await part.text()).toBe('Lifeboat');
	});

	test.for([
		'photo.png',
		LOCK_KEYS.backup,
		'full_backup_2026-11-22T00:00:00.000Z.sql',
		'full_backup_2026-11-22T00:00:00.000Z.sql/../photo.png',
		'',
	])('%s is not served', async (key) => {
		if (key) await env.MY_BUCKET.put(key, 'x');
		await expect(describeFile(env.MY_BUCKET, key)).rejects.toMatchObject({
			code: 'backup_not_found',
			status: 404,
		});
	});
});

/** Runs backups that fail at the first, second, … call, until one has no such call any more. */
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
			// Only the clean-up failed, and was tried again.
			expect(await keys()).toHaveLength(2);
		} else {
			expect(outcome.error, `failure ${n}`).toMatchObject({
				code: expect.stringMatching(/^(storage|database)_error$/),
				status: 500,
			});
			expect(await keys(), `objects left by failure ${n}`).toEqual([]);
		}
		const next = await createBackup(engine());
		await env.MY_BUCKET.delete([manifestKey(next.name), `${next.name}.sql`]);
		await env.MY_BUCKET.delete(await keys());
	}
}

describe('failures', () => {
	test('with files of the same name: an error, and they stay', async () => {
		await small();
		const frozen = clock + 1_000_000;
		const key = `full_backup_${new Date(frozen).toISOString()}.sql`;
		await env.MY_BUCKET.put(key, 'of somebody');
		await expect(startBackup({ ...engine(), now: () => frozen })).rejects.toMatchObject({
			code: 'backup_exists',
		});
		expect(await keys()).toEqual([key]);
	});

	test('to remove what a dead backup has left stops none: a later one removes it', async () => {
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
		clock += LEASE_MS;
		await createBackup(engine());
		expect(await keys()).not.toContain(`${dead}.sql`);
	});

	test('of D1 at any call: an error, and nothing is left', async () => {
		await inParts();
		const calls = await failAtEveryCall((n) => {
			const { database, failures } = failingDatabase(env.DB, n, 'D1_ERROR: disk I/O error');
			return { engine: engine({ database }), failures };
		});
		expect(calls).toBeGreaterThanOrEqual(4);
	});

	test('of D1 at any call that it says to retry: the backup succeeds', async () => {
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

	test('of D1 without end: database_unavailable', async () => {
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
			'in any write (done all the same: %s): it succeeds',
			async (afterwards) => {
				await fill();
				for (let n = 1; ; n++) {
					const { bucket, failures } = failingBucket(env.MY_BUCKET, n, { afterwards });
					const { name } = await createBackup(engine({ bucket }));
					if (failures.failed === 0) {
						expect(n).toBeGreaterThanOrEqual(least);
						return;
					}
					const left = afterwards ? [] : await failures.openUploads(); // R2 ends one that nobody has the id of
					expect(left, `uploads left by failure ${n}`).toEqual([]);
					expect(await keys(), `failure ${n}`).toEqual([manifestKey(name), `${name}.sql`]);
					expect((await verifyBackup(engine(), `${name}.sql`)).proven).toBe(true);
					await env.MY_BUCKET.delete((await env.MY_BUCKET.list()).objects.map(({ key }) => key));
				}
			},
		);

		test('in all writes from any on: no backup, and the next one removes what is left', async () => {
			await fill();
			for (let n = 1; ; n++) {
				const { bucket, failures } = failingBucket(env.MY_BUCKET, n, { forGood: true });
				const error = await createBackup(engine({ bucket })).then(
					() => null,
					(reason: unknown) => reason,
				);
				if (error === null) {
					// What failed was no more than the return of the lock.
					expect(n).toBeGreaterThanOrEqual(least);
					return;
				}
				expect(error, `failure ${n}`).toMatchObject({ code: 'storage_error', status: 500 });
				expect(failures.failed).toBeGreaterThan(0);
				expect((await listBackups(env.MY_BUCKET)).backups).toEqual([]);
				clock += LEASE_MS;
				const { name } = await createBackup(engine());
				expect(await keys(), `failure ${n}`).toEqual([manifestKey(name), `${name}.sql`]);
				await env.MY_BUCKET.delete((await env.MY_BUCKET.list()).objects.map(({ key }) => key));
			}
		});
	});
});

describe('the lock', () => {
	test('lets one backup run at a time', async () => {
		await small();
		const frozen = clock;
		const outcomes = await Promise.allSettled(
			Array.from({ length: 5 }, () => createBackup({ ...engine(), now: () => frozen })),
		);
		const refused = outcomes.filter((outcome) => outcome.status === 'rejected');
		expect(outcomes.length - refused.length).toBe(1);
		for (const { reason } of refused) {
			expect(reason).toMatchObject({ code: 'backup_running', status: 409, retryable: true });
		}
		expect((await listBackups(env.MY_BUCKET)).backups).toHaveLength(1);
	});

	test('of a backup that died is taken over, and what it left is removed', async () => {
		await small();
		const dead = 'full_backup_2026-01-01T00:00:00.000Z';
		await env.MY_BUCKET.put(
			LOCK_KEYS.backup,
			JSON.stringify({ name: dead, until: clock + LEASE_MS }),
		);
		await env.MY_BUCKET.put(`${dead}.sql`, 'half');
		await expect(createBackup(engine())).rejects.toMatchObject({ code: 'backup_running' });

		clock += LEASE_MS + 1;
		const { name } = await createBackup(engine());
		expect(await keys()).toEqual([manifestKey(name), `${name}.sql`]);
	});

	test('that was abandoned after the manifest was written costs no backup', async () => {
		await small();
		const { name } = await createBackup(engine());
		await env.MY_BUCKET.put(LOCK_KEYS.backup, JSON.stringify({ name, until: 0 }));
		await createBackup(engine());
		expect((await listBackups(env.MY_BUCKET)).backups).toHaveLength(2);
		expect(await volumeText(name)).not.toBe('');
	});

	test('that is no text of ours is taken over', async () => {
		await env.MY_BUCKET.put(LOCK_KEYS.backup, 'x');
		await expect(createBackup(engine())).resolves.toBeTruthy();
	});

	test('is renewed by a long backup, and its loss ends the backup that lost it', async () => {
		await large(300);
		let taken = false;
		const slow: Engine = { ...engine(), now: () => (clock += 40_000) };
		const thief: R2Bucket = new Proxy(env.MY_BUCKET, {
			get(target, property) {
				if (property !== 'put') return Reflect.get(target, property).bind(target);
				return async (key: string, ...rest: [never, never]) => {
					if (key === LOCK_KEYS.backup && taken) await target.put(LOCK_KEYS.backup, 'stolen');
					if (key === LOCK_KEYS.backup) taken = true;
					return target.put(key, ...rest);
				};
			},
		});
		await expect(createBackup({ ...slow, bucket: thief })).rejects.toMatchObject({
			code: 'lock_lost',
			status: 409,
		});
		expect(await keys()).toEqual([LOCK_KEYS.backup]);
		await env.MY_BUCKET.delete(LOCK_KEYS.backup);
		await expect(createBackup(slow)).resolves.toBeTruthy();
	});
});
