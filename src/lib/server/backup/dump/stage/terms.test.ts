import { env } from 'cloudflare:workers';
import type { D1Database } from '@cloudflare/workers-types';
import { beforeEach, describe, expect, test } from 'vitest';
import { createBackup, engine, run } from '../../../../../../tests/backups.ts';
import { key } from '../../../../../../tests/encodings.ts';
import { readIndex } from '../../../../../../tests/full-text-index.ts';
import { sleep } from '../../../../../../tests/memory.ts';
import { reset } from '../../../../../../tests/reset.ts';
import { d1 } from '../../database.ts';
import type { Manifest } from '../../format/manifest.ts';
import { BUDGETS, UNLIMITED } from '../../make/budget.ts';
import { requireSame } from '../../prove/compare.ts';
import { sqlOf } from '../../prove/files.ts';
import { drillBackup } from '../../prove/prove.ts';
import { restoreInto } from '../../restore/apply.ts';
import { survey } from '../../restore/survey.ts';
import { readManifest, readVolume } from '../../storage/bucket.ts';

beforeEach(reset);

/** Backs up DB in many steps, restores it into COPY, and compares that with the backup. */
async function comeBack(): Promise<Manifest> {
	const budget = { ...UNLIMITED, queries: 1 };
	const backup = await createBackup(engine({ budget, keys: [key] }));
	const opened = await readManifest(env.MY_BUCKET, `${backup.name}.sql`, [key]);
	const sql = sqlOf({ ...opened, open: (name) => readVolume(env.MY_BUCKET, name) });
	const found = await survey(sql);
	await restoreInto(d1(env.COPY), sql, { survey: found, sleep });
	await requireSame(d1(env.COPY), found.core ?? backup, sleep);
	for (const database of [env.DB, env.COPY]) expect(await tablesOfOurs(database)).toEqual([]);
	return backup;
}

function tablesOfOurs(database: D1Database): Promise<unknown[]> {
	return rows(database, `SELECT name FROM sqlite_schema WHERE name LIKE 'lifeboat%'`);
}

function rows(database: D1Database, sql: string): Promise<unknown[]> {
	return database.prepare(sql).raw();
}

/** The rowids that a search finds in `ft` after a restore. */
async function found(search: string): Promise<unknown[]> {
	const sql = `SELECT rowid FROM ft WHERE ft MATCH '${search}' ORDER BY rowid`;
	return (await rows(env.COPY, sql)).flat();
}

const create = (options: string) => `CREATE VIRTUAL TABLE ft USING fts5(a, b, ${options})`;

const TEXTS = [
	`(7, 'Alpha beta databases alpha', 'The buses of naïve DATABASES')`,
	`(9, '', NULL)`,
	`(-3, 'x', 'alpha beta')`,
	`(12, 'it''s "quoted"; -- BEGIN' || char(13, 10), 'gamma')`,
].map((row) => `INSERT INTO ft (rowid, a, b) VALUES ${row}`);

describe('an index without texts comes back', () => {
	test.for([
		`content='', tokenize=porter`,
		`content='', tokenize=trigram`,
		`content='', tokenize="unicode61 tokenchars ' .;'"`,
		`content='', tokenize="unicode61 categories 'Lu'"`,
		`content='', detail=column, columnsize=0`,
		`content='', detail=none, tokenize=porter, prefix='2 3'`,
		`content='', detail=none, columnsize=0`,
		`content='', contentless_delete=1`,
		`content=gone, columnsize=0`,
	])('%s', async (options) => {
		await run(env.DB, create(options), ...TEXTS);
		const before = await readIndex(env.DB, 'ft');
		const { warnings, snapshot, tables } = await comeBack();
		expect(warnings).toEqual([]);
		expect(snapshot).toMatchObject({ consistency: 'staged', attempts: 1 });
		expect(tables).toMatchObject([{ name: 'ft', rows: 4 }]);
		expect(await readIndex(env.COPY, 'ft')).toEqual(before);
	});

	test('and a drill sees it', async () => {
		await run(env.DB, create(`content=''`), ...TEXTS);
		const { name } = await createBackup(engine());
		const { proven, differences } = await drillBackup(engine(), env.DRILL_DB, `${name}.sql`);
		expect([proven, differences]).toEqual([true, []]);
	});

	test('whose columns SQLite takes for values elsewhere', async () => {
		const index = `CREATE VIRTUAL TABLE ft USING fts5("true", "null", c0, content='')`;
		await run(env.DB, index, `INSERT INTO ft (rowid, c0) VALUES (1, ''), (2, 'alpha')`);
		const before = await readIndex(env.DB, 'ft');
		await comeBack();
		expect(await readIndex(env.COPY, 'ft')).toEqual(before);
	});

	test('with the columns that it keeps', async () => {
		const index = `CREATE VIRTUAL TABLE ft USING fts5(a, b UNINDEXED, content='', contentless_unindexed=1)`;
		await run(env.DB, index, ...TEXTS, `INSERT INTO ft (rowid, b) VALUES (1, X'00FF'), (2, 1.5)`);
		await comeBack();
		const all = 'SELECT rowid, a, hex(b), typeof(b) FROM ft ORDER BY rowid';
		expect(await rows(env.COPY, all)).toEqual(await rows(env.DB, all));
	});

	test('with rows that no statement and no page can hold', async () => {
		const words = (count: number) =>
			`(WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${count}) SELECT group_concat('w' || i, ' ') FROM n)`;
		const long = `INSERT INTO ft (rowid, a, b) VALUES (7, ${words(30_000)}, ${words(10)})`;
		const many = `INSERT INTO ft (rowid, a) SELECT 100 + value, ${words(11_000)} FROM json_each('[${[...Array(20).keys()].join(',')}]')`;
		await run(env.DB, create(`content=''`), many, long);
		const before = await readIndex(env.DB, 'ft');
		expect((await comeBack()).warnings).toEqual([]);
		expect(await readIndex(env.COPY, 'ft')).toEqual(before);
	});
});

describe('a warning names an index', () => {
	test('that has words of no text', async () => {
		await run(
			env.DB,
			create(`content='', tokenize="unicode61 categories 'Lu'"`),
			`INSERT INTO ft (rowid, a) VALUES (1, 'ЖUK ABC'), (2, 'ЖZ')`,
		);
		const { warnings } = await comeBack();
		expect(warnings).toEqual([
			'The index of "ft" has words that no text yields (2): a restore leaves them out.',
		]);
		expect(await found('ABC')).toEqual([1]);
	});

	// SQLite writes U+200000 as an overlong NUL into the index, and reads that as no letter.
	test.for(['full', 'column', 'none'])(
		'that has words of no text, which do not change how the others are written, detail=%s',
		async (detail) => {
			await run(
				env.DB,
				create(`content='', columnsize=0, detail=${detail}`),
				`INSERT INTO ft (rowid, a, b) VALUES (1, CAST(X'306DF888808080C39F' AS TEXT), 'ends in')`,
				`INSERT INTO ft (rowid, a) VALUES (7, CAST(X'F888808080' AS TEXT))`,
				`INSERT INTO ft (rowid, b) VALUES (9, 'in the end')`,
			);
			const { warnings } = await comeBack();
			expect(warnings).toHaveLength(1);
			expect(await found('ends')).toEqual([1]);
			expect(await found('in')).toEqual([1, 9]);
		},
	);

	test('into which a row was inserted twice', async () => {
		await run(
			env.DB,
			create(`content=''`),
			`INSERT INTO ft (rowid, a) VALUES (1, 'alpha beta'), (2, 'gamma')`,
			`INSERT INTO ft (rowid, a) VALUES (1, 'gamma delta')`,
		);
		const { warnings } = await comeBack();
		expect(warnings).toEqual([
			expect.stringContaining('texts with several words at one place, or none (1)'),
		]);
		expect([await found('beta'), await found('gamma')]).toEqual([[1], [1, 2]]);
	});

	test('of trigrams that are not of one text', async () => {
		await run(
			env.DB,
			create(`content='', tokenize=trigram`),
			`INSERT INTO ft (rowid, a) VALUES (1, 'alpha')`,
			`INSERT INTO ft (rowid, a) VALUES (1, 'beta')`,
		);
		const { warnings, tables } = await comeBack();
		expect(warnings).toEqual([expect.stringContaining('trigrams that are not of one text')]);
		expect(tables).toEqual([]);
	});

	test.for([
		['lifeboat_stage_vocab', 'staged'],
		['Lifeboat_Stage', 'atomic'],
	])('whose terms cannot be read, because of a table named %s', async ([name, consistency]) => {
		await run(env.DB, create(`content=''`), ...TEXTS, `CREATE TABLE ${name} AS SELECT 1 AS x`);
		const { warnings, tables, snapshot } = await createBackup(engine());
		expect(warnings).toEqual([expect.stringContaining('"ft" is contentless')]);
		expect(tables).toMatchObject([{ name, rows: 1 }]);
		expect(snapshot).toMatchObject({ consistency, attempts: 1 });
		expect((await tablesOfOurs(env.DB)).flat()).toEqual([name]);
	});

	test('which is one too many for a call on the free plan', async () => {
		await run(env.DB, create(`content='', tokenize=porter`), ...TEXTS);
		await run(env.DB, `CREATE VIRTUAL TABLE other USING fts5(a, content='')`);
		const { free } = BUDGETS;
		const { warnings, tables } = await createBackup(engine({ budget: free, keys: [key] }));
		expect(warnings).toEqual([expect.stringContaining('"other" is contentless')]);
		expect(tables).toMatchObject([{ name: 'ft', rows: 4 }]);
	});
});
