import { env } from 'cloudflare:workers';
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { reset } from '../reset.ts';
import { cases } from '../databases/cases.ts';
import { differences, withUnixLineEnds } from '../databases/compare.ts';
import { databases } from '../databases/generate.ts';
import { settings } from '../databases/settings.ts';
import { snapshot } from '../databases/snapshot.ts';
import { d1, sqlite3 } from '../databases/sources.ts';
import { apply, script, sql, text, type Sql } from '../databases/sql.ts';
import { anything } from '../databases/values.ts';

// The tests of backups rely on two things: databases that D1 accepts, and a comparison that misses
// nothing.

beforeEach(() => reset());

/** The differences that the comparison finds between databases made from these statements. */
async function compared(before: readonly Sql[], after: readonly Sql[]): Promise<string[]> {
	await reset();
	await apply(env.DB, before);
	await apply(env.COPY, after);
	return differences(await snapshot(d1(env.DB)), await snapshot(d1(env.COPY)));
}

const random = settings(100);

test('D1 accepts every generated database, and each equals itself', random.test, async () => {
	const property = fc.asyncProperty(databases(), async ({ statements }) => {
		expect(await compared(statements, statements)).toEqual([]);
	});
	await fc.assert(property, random.check);
});

test('all values read the same in D1 and in the sqlite3 shell', random.test, async () => {
	const values = fc.array(anything(), { minLength: 1, maxLength: 50 });
	const property = fc.asyncProperty(values, async (all) => {
		const rows = all.map((value) => sql`INSERT INTO t VALUES (${value})`);
		const statements = [['CREATE TABLE t (v)'], ...rows];
		await reset();
		await apply(env.DB, statements);
		const elsewhere = await snapshot(sqlite3(env.WITNESS, script(statements)));
		expect(differences(await snapshot(d1(env.DB)), elsewhere)).toEqual([]);
	});
	await fc.assert(property, random.check);
});

describe('named cases', () => {
	test.each(cases)('$name', async ({ statements }) => {
		await reset();
		await apply(env.DB, statements);
		await apply(env.COPY, statements);
		const here = await snapshot(d1(env.DB));
		expect(differences(here, await snapshot(d1(env.COPY)))).toEqual([]);
		expect(here.get('foreign_key_check')?.rows).toEqual([]);
		expect(here.get('quick_check')?.rows).toEqual([]);
		// D1's SQLite and the shell's disagree about some CHECK constraints.
		const unchecked = `PRAGMA ignore_check_constraints=ON;\n${script(statements)}`;
		const elsewhere = await snapshot(sqlite3(env.WITNESS, unchecked));
		expect(differences(withUnixLineEnds(here), elsewhere)).toEqual([]);
	});
});

describe('the comparison notices', () => {
	const base: Sql[] = [
		['CREATE TABLE t (id INTEGER PRIMARY KEY, v)'],
		sql`INSERT INTO t VALUES (1, 1), (2, ${[1]}), (3, 0.0), (4, 'a'), (5, ${text('a\0b')}), (6, X'0102')`,
		sql`INSERT INTO t VALUES (7, NULL), (8, 9007199254740993), (9, CAST(X'FF' AS TEXT)), (10, 9e999)`,
		sql`INSERT INTO t VALUES (11, ${[0.1]}), (12, ''), (13, 'same'), (14, 'other')`,
		['CREATE TABLE loose (v)'],
		['INSERT INTO loose (rowid, v) VALUES (5, 1), (-7, 1)'],
		['CREATE TABLE hidden (rowid, _rowid_, oid)'],
		['INSERT INTO hidden VALUES (1, 1, 1), (1, 1, 1), (2, 2, 2)'],
		['CREATE TABLE counted (id INTEGER PRIMARY KEY AUTOINCREMENT)'],
		['INSERT INTO counted VALUES (4)'],
		['CREATE TABLE quiet (v, twice AS (v || v))'],
		['CREATE INDEX i ON quiet (v)'],
		['CREATE VIEW w AS SELECT v FROM quiet'],
		['CREATE TRIGGER g AFTER INSERT ON quiet BEGIN DELETE FROM loose; END'],
		[`CREATE VIRTUAL TABLE own USING fts5(words)`],
		[`INSERT INTO own (rowid, words) VALUES (1, 'alpha beta'), (2, 'gamma')`],
		[`CREATE VIRTUAL TABLE outer USING fts5(v, content='t', content_rowid='id')`],
		[`INSERT INTO outer (outer) VALUES ('rebuild')`],
	];

	test.each<[string, string | Sql, string]>([
		['a lost row', 'DELETE FROM t WHERE id = 4', 'rows of "t": lost (i4, '],
		['a lost row without content', 'DELETE FROM t WHERE id = 7', 'rows of "t": lost (i7, i7, n)'],
		['a lost duplicate', 'DELETE FROM hidden LIMIT 1', 'rows of "hidden": lost (i1, i1, i1)'],
		['an added row', 'INSERT INTO t VALUES (99, 5)', 'rows of "t": added (i99, i99, i5)'],
		['1.0 for 1', sql`UPDATE t SET v = ${[1]} WHERE id = 1`, '"v" was i1, is real 1 '],
		['1 for 1.0', 'UPDATE t SET v = 1 WHERE id = 2', '"v" was real 1 (r3FF0000000000000), is i1'],
		['text for a number', `UPDATE t SET v = '1' WHERE id = 1`, '"v" was i1, is "1" (t31)'],
		['negative zero', 'UPDATE t SET v = 0.0 * -1 WHERE id = 3', 'is real 0 (r8000000000000000)'],
		[
			'one bit of a double',
			sql`UPDATE t SET v = ${[0.1 + 2 ** -56]} WHERE id = 11`,
			'"v" was real 0.1 ',
		],
		[
			'a finite infinity',
			sql`UPDATE t SET v = ${[Number.MAX_VALUE]} WHERE id = 10`,
			'was real Infinity',
		],
		[
			'a lost infinity',
			'UPDATE t SET v = NULL WHERE id = 10',
			'was real Infinity (r7FF0000000000000), is n',
		],
		['a rounded integer', 'UPDATE t SET v = 9007199254740992 WHERE id = 8', 'is i9007199254740992'],
		['one bit of a blob', `UPDATE t SET v = X'0103' WHERE id = 6`, '"v" was b0102, is b0103'],
		['text for a blob', `UPDATE t SET v = CAST(v AS TEXT) WHERE id = 6`, '"v" was b0102, is '],
		['a blob for text', `UPDATE t SET v = X'61' WHERE id = 4`, '"v" was "a" (t61), is b61'],
		['text cut at NUL', `UPDATE t SET v = 'a' WHERE id = 5`, '(t610062), is "a" (t61)'],
		[
			'a replaced byte',
			sql`UPDATE t SET v = ${text('\ufffd')} WHERE id = 9`,
			'(tFF), is "�" (tEFBFBD)',
		],
		['an empty text for NULL', `UPDATE t SET v = '' WHERE id = 7`, '"v" was n, is "" (t)'],
		['NULL for an empty text', 'UPDATE t SET v = NULL WHERE id = 12', '"v" was "" (t), is n'],
		[
			'swapped values',
			`UPDATE t SET v = CASE id WHEN 13 THEN 'other' ELSE 'same' END WHERE id IN (13, 14)`,
			'"v" was "same" (t73616D65), is "other" (t6F74686572)',
		],
		[
			'another rowid',
			'UPDATE loose SET rowid = 1 WHERE rowid = 5',
			'rows of "loose": lost (i5, i1)',
		],
		['another counter', 'UPDATE sqlite_sequence SET seq = 9', 'sqlite_sequence: "counted"'],
		['a lost counter', 'DELETE FROM sqlite_sequence', 'sqlite_sequence: lost ("counted"'],
		['a lost trigger', 'DROP TRIGGER g', 'schema: lost ("g" '],
		['a lost index', 'DROP INDEX i', 'schema: lost ("i" '],
		['a lost view', 'DROP VIEW w', 'schema: lost ("w" '],
		['a lost table without rows', 'DROP TABLE quiet', 'schema: lost ('],
		['an added object', 'CREATE INDEX j ON quiet (v)', 'schema: added ("j" '],
		['a new column', 'ALTER TABLE quiet ADD COLUMN more', 'schema: "quiet" '],
		['a lost row of a search', 'DELETE FROM own WHERE rowid = 2', 'rows of "own": lost (i2, '],
		[
			'a search that does not find a row',
			`INSERT INTO outer (outer, rowid, v) VALUES ('delete', 13, 'same')`,
			'matches of "outer" for "same": lost (i13)',
		],
		[
			'another ranking',
			`INSERT INTO own (own, rank) VALUES ('rank', 'bm25(2)')`,
			'settings of "own": added (',
		],
	])('%s', async (_, change, expected) => {
		const found = await compared(base, [...base, [change].flat()]);
		expect(found.join('\n')).toContain(expected);
	});

	test('the order of statements makes no difference', async () => {
		const [table, index] = [['CREATE TABLE a (v)'], ['CREATE TABLE b (v)']];
		expect(await compared([table, index], [index, table])).toEqual([]);
	});
});
