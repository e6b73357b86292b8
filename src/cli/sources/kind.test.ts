import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { prepare, restoreFile } from '../../../tests/foreign.ts';
import { sqlite3 } from '../../../tests/operator.ts';
import { asLifeboatError, exitCode } from '../terminal/errors.ts';

// Each file that cannot be restored is told what it is.

const folder = mkdtempSync(join(tmpdir(), 'lifeboat-kind-'));
afterAll(() => rmSync(folder, { recursive: true }));
const path = join(folder, 'file.sql');
beforeEach(() => rmSync(path, { force: true }));

const SQL = 'CREATE TABLE t (a);\nINSERT INTO t VALUES (1);\n';
const utf16 = (text: string) => Buffer.from(`\ufeff${text}`, 'utf16le');

/** The code, message and exit code of a restore of a file with these bytes. */
async function refusal(content: string | Uint8Array) {
	writeFileSync(path, content);
	const thrown: unknown = await prepare(path).catch((reason: unknown) => reason);
	const error = asLifeboatError(thrown);
	return { code: error.code, message: error.message, exit: exitCode(error) };
}

const REFUSED: [string, string | Uint8Array, string, string][] = [
	['an empty file', '', 'file_empty', 'is empty'],
	['an empty gzip', gzipSync(''), 'file_empty', 'is empty'],
	['an empty zstd', zstdCompressSync(''), 'file_empty', 'is empty'],
	['comments alone', '-- nothing\n/* here */\n', 'file_empty', 'no statement'],
	[
		'a dump of nothing',
		'PRAGMA foreign_keys=OFF;\nBEGIN;\nCOMMIT;\n',
		'file_empty',
		'no statement',
	],
	['tables that are dropped again', 'CREATE TABLE t (a); DROP TABLE t;', 'file_empty', 'no table'],
	['a zip', Buffer.from('PK\x03\x04rest'), 'file_not_sql', 'a zip archive'],
	['xz in gzip', gzipSync(Buffer.from('\xfd7zXZ\0', 'latin1')), 'file_not_sql', 'with xz'],
	['bytes', Buffer.from([1, 2, 3, 0, 0, 0]), 'file_not_sql', 'not text'],
	['UTF-16 of PowerShell', utf16(SQL), 'file_not_utf8', 'UTF-16'],
	['UTF-16 without a mark', utf16(SQL).subarray(2), 'file_not_utf8', 'UTF-16'],
	[
		'Latin-1',
		Buffer.from("CREATE TABLE t (a); INSERT INTO t VALUES ('\xe9');", 'latin1'),
		'file_not_utf8',
		'Statement 2',
	],
	['a web page', '<!DOCTYPE html>\n<html>', 'file_not_sql', 'a web page'],
	['an answer of the app', '{"error":"This call needs a code."}', 'file_not_sql', 'JSON'],
	['prose', 'Dear reader,\nthis is no SQL.\n', 'file_not_sql', 'line 1 begins with "Dear reader,"'],
	[
		'the output of npm above',
		`\n> app@1.0.0 backup\n> node backup.ts\n\n${SQL}`,
		'output_above_sql',
		'line 2, "> app@1.0.0 backup". The SQL begins on line 5',
	],
	[
		'a line of a log above',
		`2026-11-24T01:02:03Z INFO dump it's on\n${SQL}`,
		'output_above_sql',
		'The SQL begins on line 2',
	],
	[
		'a backslash of MySQL',
		`CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT);\nINSERT INTO t VALUES (1,'it\\'s');\nINSERT INTO t VALUES (2,'x');\n`,
		'sql_of_mysql',
		'line 2, column 30',
	],
	[
		'a dump of MySQL',
		'-- MySQL dump 10.13\n/*!40101 SET NAMES utf8 */;\nCREATE TABLE `t` (\n  `id` int NOT NULL AUTO_INCREMENT,\n  PRIMARY KEY (`id`)\n) ENGINE=InnoDB;\nLOCK TABLES `t` WRITE;',
		'sql_of_mysql',
		'line 4, column 21',
	],
	['a setting of MySQL', 'SET NAMES utf8mb4;', 'sql_of_mysql', 'line 1, column 1'],
	[
		'a dump of PostgreSQL',
		`--\n-- PostgreSQL database dump\n--\nSET statement_timeout = 0;\n`,
		'sql_of_postgres',
		'line 4, column 1',
	],
	[
		'COPY of PostgreSQL',
		'CREATE TABLE public (id integer);\nCOPY t (id, v) FROM stdin;\n1\tone\n\\.\n',
		'sql_of_postgres',
		'line 2, column 1',
	],
	[
		'SQL Server',
		'SET ANSI_NULLS ON;\nCREATE TABLE [dbo].[t] ([a] int);',
		'sql_of_sql_server',
		'line 1',
	],
	[
		'rows without definitions',
		'PRAGMA defer_foreign_keys=TRUE;\nINSERT INTO "t" ("id") VALUES(1);',
		'rows_without_tables',
		'rows of the table "t" (line 2, column 1)',
	],
	['a command of the shell', `.open x.db\n${SQL}`, 'dot_command', '.open'],
	[
		'a typing error',
		'CREATE TABLE t (a);\nCREATE TABLE ü (é,, x);',
		'sql_refused',
		'line 2, column 19',
	],
	[
		'a row that breaks a constraint',
		'CREATE TABLE t (a UNIQUE);\n\n  INSERT INTO t VALUES (1);\n  INSERT INTO t VALUES (1);',
		'sql_refused',
		'line 4, column 3: SQLite refuses it: UNIQUE constraint failed',
	],
];

describe('a file is refused that is', () => {
	test.for(REFUSED)('%s', async ([, content, code, message]) => {
		const found = await refusal(content);
		expect(found).toMatchObject({ code, exit: 2, message: expect.stringContaining(message) });
	});

	test.for([
		['cut within text', `${SQL}INSERT INTO t VALUES ('cut`],
		['cut between values', `${SQL}INSERT INTO t VALUES (1,`],
		['never committed', `BEGIN;\n${SQL}`],
		['rolled back because of errors', `BEGIN;\n${SQL}ROLLBACK; -- due to errors\n`],
	] as const)('%s, which is damage', async ([, sql]) => {
		expect(await refusal(sql)).toMatchObject({ code: 'sql_incomplete', exit: 1 });
	});
});

describe('a file is read whatever its name says', () => {
	const ours = join(folder, 'ours.db');
	const restored = async (name: string, content: Uint8Array | string) => {
		rmSync(ours, { force: true });
		writeFileSync(join(folder, name), content);
		await restoreFile(join(folder, name), ours);
		return sqlite3(ours, 'SELECT a FROM t');
	};

	test('SQL, gzip, and a gzip of a gzip', async () => {
		expect(await restored('plain.sql.gz', SQL)).toBe('1');
		expect(await restored('packed.sql', gzipSync(SQL))).toBe('1');
		expect(await restored('twice.sql.gz', gzipSync(gzipSync(SQL)))).toBe('1');
		expect(await restored('plain.sql.gz.age', SQL)).toBe('1');
	});

	test('zstd, with gzip or age around it, and as any program of zstd writes it', async () => {
		const zstd = (program: string, ...options: string[]) =>
			execFileSync(program, [...options, '-q', '--stdout'], { input: SQL });
		expect(await restored('packed.sql', zstdCompressSync(SQL))).toBe('1');
		expect(await restored('twice.sql.zst.gz', gzipSync(zstdCompressSync(SQL)))).toBe('1');
		expect(await restored('one.sql.zst', zstd('zstd'))).toBe('1');
		expect(await restored('two.sql.zst', zstd('zstd', '--no-check', '-19', '--long'))).toBe('1');
		expect(await restored('three.sql.zst', zstd('pzstd'))).toBe('1'); // skippable frames too
	});

	test('a database, packed too', async () => {
		const database = join(folder, 'app.sqlite');
		sqlite3(database, `${SQL} PRAGMA user_version=7;`);
		const bytes = readFileSync(database);
		expect(await restored('app.sql', bytes)).toBe('1');
		expect(sqlite3(ours, 'PRAGMA user_version')).toBe('7');
		expect(await restored('app.sqlite.gz', gzipSync(bytes))).toBe('1');
		expect(await restored('app.sqlite.zst', zstdCompressSync(bytes))).toBe('1');
	});
});

describe('a database', () => {
	test('is read with the log of a program that uses it, and neither changes', async () => {
		const script = `PRAGMA journal_mode=WAL; CREATE TABLE t (a); INSERT INTO t VALUES (5);
.shell cp live.db copy.db; cp live.db-wal copy.db-wal
`;
		const options = { input: script, cwd: folder, encoding: 'utf8' } as const;
		expect(spawnSync('sqlite3', ['live.db'], options).stderr).toBe('');
		const names = readdirSync(folder);
		const before = ['copy.db', 'copy.db-wal'].map((name) => readFileSync(join(folder, name)));
		expect(before[1]?.length).toBeGreaterThan(0);
		const target = join(folder, 'from-log.db');
		await restoreFile(join(folder, 'copy.db'), target);
		expect(sqlite3(target, 'SELECT a FROM t')).toBe('5');
		const after = ['copy.db', 'copy.db-wal'].map((name) => readFileSync(join(folder, name)));
		expect(after.map((bytes, index) => before[index]?.equals(bytes))).toEqual([true, true]);
		rmSync(target);
		expect(readdirSync(folder)).toEqual(names);
	});

	test('that is damaged, or holds UTF-16, is refused', async () => {
		const database = join(folder, 'damaged.db');
		sqlite3(database, `CREATE TABLE t (a); INSERT INTO t VALUES (hex(zeroblob(9000)));`);
		const bytes = readFileSync(database);
		bytes.fill(0xff, 4096, 4200);
		expect(await refusal(bytes)).toMatchObject({ code: 'backup_damaged', exit: 1 });
		const wide = join(folder, 'wide.db');
		sqlite3(wide, `PRAGMA encoding='UTF-16'; CREATE TABLE t (a);`);
		expect(await refusal(readFileSync(wide))).toMatchObject({ code: 'database_utf16', exit: 2 });
		sqlite3(join(folder, 'none.db'), 'CREATE TABLE t (a); DROP TABLE t;');
		const empty = readFileSync(join(folder, 'none.db'));
		expect(await refusal(empty)).toMatchObject({ code: 'file_empty', exit: 2 });
	});
});

test.for([
	['gzip', gzipSync],
	['zstd', zstdCompressSync],
] as const)('a broken %s is damage', async ([, compress]) => {
	const bytes = compress(SQL.repeat(1000));
	expect(await refusal(bytes.subarray(0, 40))).toMatchObject({ code: 'backup_damaged', exit: 1 });
});

test('the reserved name is refused in any spelling', async () => {
	expect(
		await refusal('CREATE TABLE t (a); CREATE VIEW LifeBoat_Restore AS SELECT 1;'),
	).toMatchObject({ code: 'restore_refused' });
});
