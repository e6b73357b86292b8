import { env } from 'cloudflare:workers';
import { beforeEach, describe, expect, test } from 'vitest';
import { large, small } from '../../../../tests/sample-databases.ts';
import { reset } from '../../../../tests/reset.ts';
import { clock, createBackup, engine, keys, run } from '../../../../tests/backups.ts';
import { restoreIntoCopy } from '../../../../tests/restore.ts';
import type { R2Bucket } from '../platform.ts';
import { listBackups } from './index.ts';
import { type Engine } from './engine.ts';
import { parseManifest } from './format/manifest.ts';
import { manifestKey, sliceListKey } from './format/names.ts';
import { LEASE_MS, LOCK_KEYS } from './storage/lock.ts';
import { PART_BYTES } from './storage/volume.ts';

beforeEach(reset);

async function volumeText(name: string): Promise<string> {
	const object = await env.MY_BUCKET.get(`${name}.sql`);
	return (await object?.text()) ?? '';
}

async function sha256(bytes: ArrayBuffer): Promise<string> {
	return new Uint8Array(await crypto.subtle.digest('SHA-256', bytes)).toHex();
}

describe('a backup', () => {
	test('is a volume and a manifest that describes it', async () => {
		await small();
		const manifest = await createBackup(engine());

		expect(await keys()).toEqual([
			manifestKey(manifest.name),
			sliceListKey(manifest.name),
			`${manifest.name}.sql`,
		]);
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

	test('of the same state has the same digests, even after a restore', async () => {
		await small();
		await run(
			env.DB,
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

	test('larger than a part is uploaded in parts, with the right digest', async () => {
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
			env.DB,
			`CREATE TABLE t (id INTEGER PRIMARY KEY, x TEXT)`,
			`WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 50000) INSERT INTO t SELECT i, printf('some text of row %d', i) FROM n`,
		);
		const { cost } = await createBackup(engine());
		expect(cost.rowsRead).toBeLessThan(50000 * 1.01);
	});

	test('continues with smaller pages when rows are suddenly long', async () => {
		const rows = (from: number, to: number, text: string) =>
			`WITH RECURSIVE n (i) AS (VALUES (${from}) UNION ALL SELECT i + 1 FROM n WHERE i < ${to}) INSERT INTO t SELECT i, ${text} FROM n`;
		await run(
			env.DB,
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

	test('records the Time Travel bookmark', async () => {
		await small();
		const { snapshot } = await createBackup(engine());
		expect(snapshot.bookmark).toMatch(/^[0-9a-f]{8}-/);
	});

	test('warns of what it cannot restore', async () => {
		await run(
			env.DB,
			`CREATE VIRTUAL TABLE empty USING fts5(x, content='', tokenize=trigram, detail=none)`,
			`INSERT INTO empty (rowid, x) VALUES (1, 'lost')`,
		);
		const { warnings } = await createBackup(engine());
		expect(warnings).toEqual([
			expect.stringContaining('"empty" has trigrams without their places'),
		]);
	});
});

describe('the lock', () => {
	test('allows one backup at a time', async () => {
		await small();
		const frozen = clock.now;
		const outcomes = await Promise.allSettled(
			Array.from({ length: 5 }, () => createBackup({ ...engine(), now: () => frozen })),
		);
		const refused = outcomes.filter((outcome) => outcome.status === 'rejected');
		expect(outcomes.length - refused.length).toBe(1);
		for (const { reason } of refused) {
			expect(reason).toMatchObject({ code: 'backup_running', status: 409, retryable: true });
		}
		expect((await listBackups(engine())).backups).toHaveLength(1);
	});

	test('of a dead backup is taken over, and its leftovers are removed', async () => {
		await small();
		const dead = 'full_backup_2026-01-01T00:00:00.000Z';
		await env.MY_BUCKET.put(
			LOCK_KEYS.backup,
			JSON.stringify({ name: dead, until: clock.now + LEASE_MS }),
		);
		await env.MY_BUCKET.put(`${dead}.sql`, 'half');
		await expect(createBackup(engine())).rejects.toMatchObject({ code: 'backup_running' });

		clock.now += LEASE_MS + 1;
		const { name } = await createBackup(engine());
		expect(await keys()).toEqual([manifestKey(name), sliceListKey(name), `${name}.sql`]);
	});

	test('that was abandoned after the manifest was written does not lose the backup', async () => {
		await small();
		const { name } = await createBackup(engine());
		await env.MY_BUCKET.put(LOCK_KEYS.backup, JSON.stringify({ name, until: 0 }));
		await createBackup(engine());
		expect((await listBackups(engine())).backups).toHaveLength(2);
		expect(await volumeText(name)).not.toBe('');
	});

	test('is taken over if it is not valid', async () => {
		await env.MY_BUCKET.put(LOCK_KEYS.backup, 'x');
		await expect(createBackup(engine())).resolves.toBeTruthy();
	});

	test('is renewed by a long backup, which ends if it loses the lock', async () => {
		await large(300);
		let taken = false;
		const slow: Engine = { ...engine(), now: () => (clock.now += 40_000) };
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
