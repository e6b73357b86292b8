import { env } from 'cloudflare:workers';
import { beforeEach, describe, expect, test } from 'vitest';
import { sleep, sourceOf } from '../../../../../tests/memory.ts';
import { reset } from '../../../../../tests/reset.ts';
import { d1 } from '../database.ts';
import { restoreInto } from './apply.ts';
import { readContents } from './contents.ts';
import type { SqlSource } from './source.ts';
import { survey } from './survey.ts';

const copy = d1(env.COPY);
const contents = async () => (await readContents(copy, sleep)).objects;

async function restore(source: SqlSource) {
	return restoreInto(copy, source, { survey: await survey(source), sleep });
}

describe('files from other tools', () => {
	beforeEach(reset);
	const rows = async (sql: string) => env.COPY.prepare(sql).raw();

	test('may create a table, its rows, and then the table that they refer to', async () => {
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

	test('may contain rows too long for any D1 statement', async () => {
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

	test('may contain the internal tables of D1 and SQLite', async () => {
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
			'with virtual tables as sqlite3 dumps them',
			`INSERT INTO sqlite_schema(type,name,tbl_name,rootpage,sql)VALUES('table','f','f',0,'x');`,
			'sql_unsupported',
		],
	] as const)('%s is refused', async ([, text, code]) => {
		await expect(restore(sourceOf(text))).rejects.toMatchObject({ code, status: 422 });
		expect(await contents()).toEqual([]);
	});
});
