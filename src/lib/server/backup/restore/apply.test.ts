import { env } from 'cloudflare:workers';
import { beforeEach, describe, expect, test } from 'vitest';
import { backupOf, bytesOf, sleep, sourceOf } from '../../../../../tests/memory.ts';
import { differences } from '../../../../../tests/databases/compare.ts';
import { snapshot } from '../../../../../tests/databases/snapshot.ts';
import { d1 as readable } from '../../../../../tests/databases/sources.ts';
import { script, type Sql } from '../../../../../tests/databases/sql.ts';
import { counting } from '../../../../../tests/databases/values.ts';
import { d1, type SqlDatabase } from '../database.ts';
import { sqlOf } from '../prove/files.ts';
import { restoreInto } from './apply.ts';
import { clearDatabase, readContents } from './contents.ts';
import type { SqlSource } from './source.ts';
import { survey } from './survey.ts';

const copy = d1(env.COPY);
const contents = async () => (await readContents(copy, sleep)).objects;
const lost = async () =>
	differences(await snapshot(readable(env.DB)), await snapshot(readable(env.COPY)));

/** Cheaper than {@link lost}, for many restores of the same. */
async function sums(database: D1Database): Promise<unknown> {
	const queries = [
		'SELECT count(*), sum(id * best), sum(length(x)) FROM parent',
		'SELECT count(*), sum(id * parent), sum(length(x)) FROM child',
		'SELECT count(*), sum(id * up), sum(length(x)) FROM tree',
		'SELECT count(*), sum(rowid), sum(length(x)) FROM loose',
		'SELECT count(*), sum(rowid * up) FROM hidden',
		'SELECT count(*), sum(late) FROM early',
		'SELECT count(*), sum(id), sum(length(x)) FROM late',
		'SELECT count(*) FROM sqlite_schema',
	];
	return Promise.all(queries.map((sql) => database.prepare(sql).raw()));
}

async function restore(source: SqlSource, database: SqlDatabase = copy) {
	return restoreInto(database, source, { survey: await survey(source), sleep });
}

/** More than one transaction's worth: a circle of two tables, a table that points at itself. */
const LARGE: Sql[] = [
	[
		`CREATE TABLE child (id INTEGER PRIMARY KEY, parent REFERENCES parent (id) ON DELETE CASCADE, x TEXT)`,
	],
	[`CREATE TABLE parent (id INTEGER PRIMARY KEY, best REFERENCES child (id), x TEXT)`],
	[`CREATE TABLE tree (id INTEGER PRIMARY KEY, up INTEGER NOT NULL REFERENCES tree (id), x TEXT)`],
	[`CREATE TABLE early (late REFERENCES late (id), x)`],
	[`CREATE TABLE loose (x)`],
	[`CREATE TABLE late (id INTEGER PRIMARY KEY, x)`],
	[`CREATE TABLE hidden (rowid, _rowid_, oid, up REFERENCES tree (id))`],
	[`${counting(1500)} INSERT INTO parent SELECT i, NULL, hex(randomblob(300)) FROM counting`],
	[`${counting(1500)} INSERT INTO child SELECT i, 1501 - i, hex(randomblob(300)) FROM counting`],
	[`UPDATE parent SET best = id % 1500 + 1`],
	[`INSERT INTO tree SELECT id, 1501 - id, x FROM parent`],
	[`INSERT INTO loose (rowid, x) SELECT id * 7, x FROM child`],
	[`INSERT INTO hidden SELECT id % 3, 1, 1, id FROM tree`],
	[`INSERT INTO late SELECT id, x FROM child`],
	[`INSERT INTO early SELECT id, id FROM late`],
	[`CREATE UNIQUE INDEX by_x ON loose (x)`],
	[`CREATE TRIGGER harm AFTER INSERT ON loose BEGIN DELETE FROM tree; END`],
];

describe('a file larger than one transaction', () => {
	test('comes back, with circles and rows that point at later rows', async () => {
		const files = await backupOf(LARGE);
		expect((await restore(sqlOf(files))).mode).toBe('batches');
		expect(await lost()).toEqual([]);
	});

	test('comes back where D1 takes a few statements at a time only', async () => {
		const files = await backupOf(LARGE);
		const weak: SqlDatabase = {
			async batch(statements) {
				const ours = statements.some((sql) => String(sql).includes('FROM "lifeboat_stage'));
				if (statements.length > 12 && !ours) throw new Error('D1_ERROR: out of memory');
				return copy.batch(statements);
			},
		};
		await restore(sqlOf(files), weak);
		expect(await lost()).toEqual([]);
	});

	test('tells its progress', async () => {
		const source = sqlOf(await backupOf(LARGE));
		const found = await survey(source);
		const seen: number[] = [];
		const onProgress = ({ bytes }: { bytes: number }) => void seen.push(bytes);
		await restoreInto(copy, source, { survey: found, sleep, onProgress });
		expect(seen.length).toBeGreaterThan(10);
		expect(seen).toEqual(seen.toSorted((a, b) => a - b));
		expect(seen.at(-1)).toBe(found.bytes);
	});
});

describe('the target', () => {
	test('is refused when it is not empty, and nothing in it is changed', async () => {
		const files = await backupOf([['CREATE TABLE t (a)'], ['INSERT INTO t VALUES (1)']]);
		await env.COPY.prepare('CREATE VIEW v AS SELECT 1').run();
		await expect(restore(sqlOf(files))).rejects.toMatchObject({
			code: 'target_not_empty',
			status: 409,
		});
		expect(await contents()).toEqual([{ type: 'view', name: 'v' }]);
	});

	test('is replaced where what is there was kept', async () => {
		const source = sqlOf(await backupOf(LARGE));
		await restore(source);
		await env.COPY.prepare('DELETE FROM loose').run();
		await restoreInto(copy, source, { survey: await survey(source), sleep, replace: true });
		expect(await lost()).toEqual([]);
	});

	test('is emptied of every kind of object', async () => {
		await backupOf([]);
		const source = sourceOf(
			script([
				...LARGE,
				['CREATE VIEW v AS SELECT 1'],
				['CREATE VIRTUAL TABLE f USING fts5(x)'],
				['CREATE TABLE a (id INTEGER PRIMARY KEY AUTOINCREMENT)'],
			]).replace(/^PRAGMA.*$/gm, ''),
		);
		await restore(source);
		expect((await contents()).length).toBeGreaterThan(8);
		await clearDatabase(copy, sleep);
		expect(await contents()).toEqual([]);
	});
});

test('a table that acts on its own rows and points at another is cleared', async () => {
	await backupOf([]);
	await restore(
		sourceOf(`CREATE TABLE person (id INTEGER PRIMARY KEY, friend REFERENCES person (id) ON DELETE SET NULL,
			favourite REFERENCES product (id)); CREATE TABLE product (id INTEGER PRIMARY KEY);
			CREATE TABLE orders (id INTEGER PRIMARY KEY, person REFERENCES person (id));
			CREATE TABLE lines (orders REFERENCES orders (id) ON DELETE CASCADE, product REFERENCES product (id));
			INSERT INTO product VALUES (1); INSERT INTO person VALUES (1, 2, 1), (2, 1, 1);
			INSERT INTO orders VALUES (1, 1); INSERT INTO lines VALUES (1, 1);`),
	);
	await clearDatabase(copy, sleep);
	expect(await contents()).toEqual([]);
});

describe('failures', () => {
	/** The database, but its n-th batch fails: before it is done, or after. */
	function failing(
		n: number,
		message: string,
		afterwards: boolean,
	): SqlDatabase & { failed: boolean } {
		let calls = 0;
		return {
			failed: false,
			async batch(statements) {
				if (++calls !== n) return copy.batch(statements);
				this.failed = true;
				if (afterwards) await copy.batch(statements);
				throw new Error(message);
			},
		};
	}

	test.for([
		['before it was done', false],
		['after it was done', true],
	] as const)(
		'of D1 at any call, %s: the target is empty, or all of it came back',
		async ([, afterwards]) => {
			const source = sqlOf(await backupOf(LARGE));
			let [n, failures] = [0, 0];
			for (let failed = true; failed;) {
				const database = failing(++n, 'D1_ERROR: disk I/O error', afterwards);
				const outcome = await restore(source, database).catch((error: { code: string }) => error);
				({ failed } = database);
				if (outcome instanceof Error) {
					expect(await contents(), `call ${n}`).toEqual([]);
				} else if (failed) {
					expect(await sums(env.COPY), `call ${n}`).toEqual(await sums(env.DB));
					await clearDatabase(copy, sleep);
				}
				if (outcome instanceof Error) failures++;
			}
			expect(failures).toBeGreaterThan(6);
			expect(await lost()).toEqual([]);
		},
	);

	test.for([
		['before it was done', false],
		['after it was done', true],
	] as const)('of D1 for a moment, %s: the restore succeeds', async ([, afterwards]) => {
		const source = sqlOf(await backupOf(LARGE));
		for (let n = 1, failed = true; failed; n++) {
			const database = failing(n, 'D1_ERROR: Network connection lost.', afterwards);
			await restore(source, database);
			({ failed } = database);
			expect(await sums(env.COPY), `call ${n}`).toEqual(await sums(env.DB));
			await clearDatabase(copy, sleep);
		}
	});

	test('tell the statement, its place and its table', async () => {
		await backupOf([]);
		const good = Array.from({ length: 50 }, (_, at) => `INSERT INTO t VALUES (${at});\n`).join('');
		const start = `CREATE TABLE t (a UNIQUE);\n${good}`;
		await expect(
			restore(sourceOf(`${start}INSERT INTO t VALUES (7);\n${good}`)),
		).rejects.toMatchObject({
			code: 'restore_refused',
			status: 422,
			message: `Statement 52, at byte ${start.length} (table "t") was refused by the database: UNIQUE constraint failed: t.a.`,
		});
		expect(await contents()).toEqual([]);
	});

	test('of foreign keys are told', async () => {
		await backupOf([]);
		const text =
			'CREATE TABLE t (id INTEGER PRIMARY KEY, up REFERENCES t (id)); INSERT INTO t VALUES (1, 2);';
		await expect(restore(sourceOf(text))).rejects.toMatchObject({
			code: 'restore_refused',
			message: expect.stringContaining('foreign key'),
		});
		expect(await contents()).toEqual([]);
	});

	test('of a file that is cut leave the target empty', async () => {
		const source = sqlOf(await backupOf(LARGE));
		const found = await survey(source);
		const bytes = await bytesOf(source);
		const cut = sourceOf(bytes.subarray(0, 3_000_000));
		await expect(survey(cut)).rejects.toMatchObject({ code: 'sql_incomplete' });
		await expect(restoreInto(copy, cut, { survey: found, sleep })).rejects.toMatchObject({
			code: 'sql_incomplete',
		});
		expect(await contents()).toEqual([]);
	});
});

describe('files of other tools', () => {
	beforeEach(() => backupOf([]));
	const rows = async (sql: string) => env.COPY.prepare(sql).raw();

	test('may write a table, its rows, and then the table that they point at', async () => {
		await restore(
			sourceOf(`PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE child (parent REFERENCES parent (a));
INSERT INTO child VALUES('x');
CREATE TABLE parent (a TEXT);
INSERT INTO parent VALUES('x');
CREATE UNIQUE INDEX key ON parent (a);
COMMIT;`),
		);
		expect(await rows('SELECT * FROM child')).toEqual([['x']]);
	});

	test('may hold rows that no statement of D1 can', async () => {
		const blob = 'AB'.repeat(300_000);
		const text = `it''s 🚣 `.repeat(30_000);
		await restore(
			sourceOf(
				`CREATE TABLE t (a INTEGER, b BLOB, c TEXT, d REAL); INSERT INTO t VALUES(1,X'${blob}','${text}',0.5),(2,x'00','',NULL);`,
			),
		);
		const shape = 'SELECT a, typeof(b), length(b), typeof(c), d FROM t';
		expect(await rows(shape)).toEqual([
			[1, 'blob', 300_000, 'text', 0.5],
			[2, 'blob', 1, 'text', null],
		]);
		expect(await rows('SELECT hex(b), c FROM t WHERE a = 1')).toEqual([
			[blob, text.replaceAll("''", "'")],
		]);
	});

	test('may use unistr()', async () => {
		await restore(
			sourceOf(
				String.raw`CREATE TABLE t (a); INSERT INTO t VALUES(unistr('a\u000a\\b\u00e9''unistr()')),('unistr(''\u0041'')');`,
			),
		);
		expect(await rows('SELECT a FROM t')).toEqual([
			[`a\n\\bé'unistr()`],
			[String.raw`unistr('\u0041')`],
		]);
	});

	test('may hold the tables of D1 and SQLite', async () => {
		await restore(
			sourceOf(`CREATE TABLE _cf_METADATA (key INTEGER PRIMARY KEY, value BLOB);
INSERT INTO _cf_METADATA VALUES(2,33);
CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT);
ANALYZE sqlite_schema;
INSERT INTO sqlite_stat1 VALUES('t',NULL,'1');
INSERT INTO t VALUES(3);
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES('t',9);`),
		);
		expect(await rows('SELECT seq FROM sqlite_sequence')).toEqual([[9]]);
	});

	test.for([
		[
			'that rolls back',
			'BEGIN TRANSACTION; CREATE TABLE t (a); ROLLBACK; -- due to errors',
			'sql_incomplete',
		],
		['that never commits', 'BEGIN TRANSACTION; CREATE TABLE t (a);', 'sql_incomplete'],
		[
			'with virtual tables as sqlite3 writes them',
			`INSERT INTO sqlite_schema(type,name,tbl_name,rootpage,sql)VALUES('table','f','f',0,'x');`,
			'sql_unsupported',
		],
	] as const)('%s is refused', async ([, text, code]) => {
		await expect(restore(sourceOf(text))).rejects.toMatchObject({ code, status: 422 });
		expect(await contents()).toEqual([]);
	});
});
