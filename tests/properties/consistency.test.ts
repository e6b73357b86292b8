import { env } from 'cloudflare:workers';
import { beforeEach, describe, expect, test } from 'vitest';
import { reset } from '../reset.ts';
import { clock, createBackup, engine, keys, run } from '../backups.ts';
import { key } from '../encodings.ts';
import { Production } from '../production.ts';
import { restoreIntoCopy } from '../restore.ts';
import { UNLIMITED } from '../../src/lib/server/backup/make/budget.ts';
import { d1 } from '../../src/lib/server/backup/database.ts';
import { RESTORE_MARKER, TABLES_MARKER } from '../../src/lib/server/backup/sql.ts';
import { readCore } from '../../src/lib/server/backup/prove/compare.ts';
import { resumeBackup, startBackup } from '../../src/lib/server/backup/index.ts';
import { type Engine, type BackupStep } from '../../src/lib/server/backup/engine.ts';
import type { Manifest } from '../../src/lib/server/backup/format/manifest.ts';

beforeEach(reset);

const ROWS = 15_000;

/** Two tables of more than one page each, with the same version in every row. */
const fill = () =>
	run(
		env.DB,
		`CREATE TABLE first (id INTEGER PRIMARY KEY, version INTEGER, x TEXT)`,
		`CREATE TABLE last (id INTEGER PRIMARY KEY, version INTEGER, x TEXT)`,
		...['first', 'last'].map(
			(table) =>
				`WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < ${ROWS}) INSERT INTO ${table} SELECT i, 0, hex(randomblob(40)) FROM n`,
		),
	);

/** Writes to both, then restarts the object, so that the change counter is what it was. */
async function writeUnseen(database: Production): Promise<void> {
	await database.write(
		`UPDATE first SET version = version + 1 WHERE id = 1`,
		`UPDATE last SET version = version + 1 WHERE id = ${ROWS}`,
	);
	await database.reset();
}

async function restore({ volumes }: Manifest): Promise<void> {
	const objects = await Promise.all(volumes.map(({ key }) => env.MY_BUCKET.get(key)));
	const texts = await Promise.all(objects.map((object) => object?.text()));
	await restoreIntoCopy(texts.join(''));
}

async function restoredVersions(manifest: Manifest): Promise<unknown> {
	await restore(manifest);
	const versions = await env.COPY.prepare(
		`SELECT (SELECT max(version) FROM first) AS first, (SELECT max(version) FROM last) AS last`,
	).first();
	return versions;
}

/** An engine with so small a budget that each page takes a step. */
const inSteps = (changes: Partial<Engine> = {}): Engine =>
	engine({ ...changes, keys: [key], budget: { ...UNLIMITED, queries: 1 } });

/** Makes a backup in steps, with something else done after one of them. */
async function createWithPause(
	changes: Partial<Engine>,
	isThen: (step: BackupStep) => boolean,
	meanwhile: () => Promise<unknown>,
): Promise<Manifest> {
	let done = false;
	let step = await startBackup(inSteps(changes));
	while ('resume' in step) {
		if (!done && isThen(step)) {
			done = true;
			await meanwhile();
		}
		step = await resumeBackup(inSteps(changes), step.resume);
	}
	expect(done).toBe(true);
	return step.manifest;
}

const tablesDone = (count: number) => (step: BackupStep) =>
	'progress' in step && step.progress.tables === count;

describe('a write after which the change counter restarted', () => {
	test.for([
		['it makes a call fail, which is retried', true],
		['no call has failed', false],
	] as const)('starts the backup over when %s', async ([, fails]) => {
		await fill();
		const database = new Production(env.DB, {
			async before(call) {
				if (call !== 6) return;
				await writeUnseen(database);
				if (fails) throw new Error('D1_ERROR: Network connection lost.');
			},
		});
		await database.reset();
		const manifest = await createBackup(engine({ database: database.binding }));
		expect(manifest.snapshot).toMatchObject({ attempts: 2, consistency: 'fenced' });
		expect(await restoredVersions(manifest)).toEqual({ first: 1, last: 1 });
	});

	test('starts the backup over between two steps too', async () => {
		await fill();
		const database = new Production(env.DB);
		await database.reset();
		const { binding } = database;
		const write = () => writeUnseen(database);
		const manifest = await createWithPause({ database: binding }, tablesDone(1), write);
		expect(manifest.snapshot.attempts).toBe(2);
		expect(await restoredVersions(manifest)).toEqual({ first: 1, last: 1 });
	});
});

describe('bookmarks', () => {
	test('that stand still let a backup in steps continue after any pause', async () => {
		await fill();
		const { binding } = new Production(env.DB);
		const wait = async () => (clock.now += 120_000);
		const manifest = await createWithPause({ database: binding }, tablesDone(1), wait);
		expect(manifest.snapshot.attempts).toBe(1);
	});

	test('that move with each read do not disturb a backup', async () => {
		await fill();
		const { binding } = new Production(env.DB, { readsMoveBookmarks: true });
		const whole = await createBackup(engine({ database: binding }));
		const stepped = await createBackup(inSteps({ database: binding }));
		expect([whole.snapshot.attempts, stepped.snapshot.attempts]).toEqual([1, 1]);
	});

	const restless = () =>
		new Production(env.DB, {
			before(call, database) {
				if (call % 3 === 0) database.moveBookmark();
			},
		});

	test('that move by themselves now and then disturb every attempt except the last', async () => {
		await fill();
		const { binding } = restless();
		const manifest = await createBackup(engine({ database: binding, stageMaxBytes: 0 }));
		expect(manifest.snapshot).toMatchObject({ attempts: 5, consistency: 'fenced' });
	});

	test('that move by themselves do not matter to a stage', async () => {
		await fill();
		const { snapshot } = await createBackup(engine({ database: restless().binding }));
		expect(snapshot).toMatchObject({ attempts: 3, consistency: 'staged' });
	});
});

describe('the schema', () => {
	const twoTables = () =>
		run(
			env.DB,
			// Written as SQLite writes names after ALTER TABLE.
			`CREATE TABLE "a" (id INTEGER PRIMARY KEY, x)`,
			`CREATE TABLE "b" (id INTEGER PRIMARY KEY, x)`,
			`INSERT INTO a VALUES (1, 'of the first')`,
			`INSERT INTO b VALUES (1, 'of the second')`,
		);

	test('changes when two tables swap their names', async () => {
		await twoTables();
		const manifest = await createWithPause({}, tablesDone(1), () =>
			run(
				env.DB,
				`ALTER TABLE a RENAME TO c`,
				`ALTER TABLE b RENAME TO a`,
				`ALTER TABLE c RENAME TO b`,
			),
		);
		expect(manifest.snapshot.attempts).toBe(2);
		await restore(manifest);
		const rows = `SELECT (SELECT x FROM a) AS a, (SELECT x FROM b) AS b`;
		expect(await env.COPY.prepare(rows).first()).toEqual({ a: 'of the second', b: 'of the first' });
	});

	test('changes when SQLite creates its AUTOINCREMENT counters in the meantime', async () => {
		await twoTables();
		const manifest = await createWithPause({}, tablesDone(1), () =>
			run(env.DB, `CREATE TABLE c (id INTEGER PRIMARY KEY AUTOINCREMENT)`, `DROP TABLE c`),
		);
		expect(manifest.snapshot.attempts).toBe(2);
		await restore(manifest);
		expect(manifest.tables.map(({ name }) => name)).toContain('sqlite_sequence');
	});
});

describe('an atomic backup', () => {
	test('holds options and rows from a single moment, whatever happens between calls', async () => {
		await run(
			env.DB,
			`CREATE VIRTUAL TABLE ft USING fts5(x)`,
			`INSERT INTO ft (ft, rank) VALUES ('automerge', 1)`,
			`INSERT INTO ft VALUES ('1')`,
		);
		const database = new Production(env.DB, {
			async before(call) {
				await database.write(
					`INSERT INTO ft (ft, rank) VALUES ('automerge', ${call + 1})`,
					`UPDATE ft SET x = '${call + 1}'`,
				);
				await database.reset();
			},
		});
		const manifest = await createBackup(engine({ database: database.binding }));
		expect(manifest.snapshot).toMatchObject({ consistency: 'atomic', attempts: 1 });
		await restore(manifest);
		const read = `SELECT (SELECT v FROM ft_config WHERE k = 'automerge') AS option, (SELECT x FROM ft) AS x`;
		const restored = await env.COPY.prepare(read).first();
		expect(restored).toEqual({ option: Number(restored?.['x']), x: expect.any(String) });
	});

	test('is reported as fenced when a page had to be read again', async () => {
		await run(env.DB, `CREATE TABLE t (x)`, `INSERT INTO t VALUES (CAST(X'FF' AS TEXT))`);
		expect((await createBackup(engine())).snapshot.consistency).toBe('fenced');
	});

	test('names the bookmark of the moment it captures', async () => {
		await run(env.DB, `CREATE TABLE t (x)`, `INSERT INTO t VALUES (1)`);
		const database = new Production(env.DB, {
			async before(call) {
				if (call === 2) await database.write(`UPDATE t SET x = 2`);
			},
		});
		const { snapshot } = await createBackup(engine({ database: database.binding }));
		expect(snapshot).toMatchObject({ attempts: 1, consistency: 'atomic' });
		expect(snapshot.bookmark).toBe(database.binding.withSession().getBookmark());
	});
});

describe('a restore that has not ended', () => {
	test.for([
		`CREATE TABLE ${RESTORE_MARKER} (step INTEGER PRIMARY KEY)`,
		`CREATE TABLE ${TABLES_MARKER} (step INTEGER PRIMARY KEY)`,
		`CREATE VIEW ${RESTORE_MARKER} AS SELECT 1`,
	])('is not backed up: %s', async (marker) => {
		await run(env.DB, `CREATE TABLE half (x)`, `INSERT INTO half VALUES (1)`, marker);
		await expect(createBackup(engine())).rejects.toMatchObject({
			code: 'restore_unfinished',
			status: 409,
			retryable: false,
		});
		expect(await keys()).toEqual([]);
	});

	test('ends a backup in steps that runs into it', async () => {
		await fill();
		const backup = createWithPause({}, tablesDone(1), () =>
			run(env.DB, `CREATE TABLE ${TABLES_MARKER} (step INTEGER PRIMARY KEY)`),
		);
		await expect(backup).rejects.toMatchObject({ code: 'restore_unfinished' });
		expect(await keys()).toEqual([]);
	});

	test('can still be compared with its backup', async () => {
		await run(env.DB, `CREATE TABLE t (x)`, `INSERT INTO t VALUES (1)`);
		const { schema, tables } = await createBackup(engine());
		await run(env.DB, `CREATE TABLE ${RESTORE_MARKER} (step INTEGER PRIMARY KEY)`);
		const found = await readCore(d1(env.DB), async () => {}, { schema, tables });
		expect(found).toMatchObject({ schema, tables });
	});
});
