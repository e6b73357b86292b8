import { spawnSync } from 'node:child_process';
import {
	existsSync,
	mkdirSync,
	mkdtempSync,
	readdirSync,
	rmSync,
	statSync,
	writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { sqlite3 } from '../../../tests/operator.ts';
import {
	context,
	fileDifferences,
	prepare,
	restoreFile,
	runShell,
} from '../../../tests/foreign.ts';
import { temporaryFolder } from '../terminal/command.ts';
import { openBackup } from './files.ts';

// What `sqlite3 new.db < FILE` makes of a file is right, for every file that sqlite3 takes.

const folder = mkdtempSync(join(tmpdir(), 'lifeboat-script-'));
afterAll(() => rmSync(folder, { recursive: true }));
const path = join(folder, 'file.sql');
const [ours, theirs] = [join(folder, 'ours.db'), join(folder, 'theirs.db')];
beforeEach(() => rmSync(ours, { force: true }));

const FILES: [string, string | Uint8Array][] = [
	[
		'each table dropped before it is made, children first',
		`PRAGMA foreign_keys = OFF;
DROP TABLE IF EXISTS "comments";
CREATE TABLE "comments" ("id" INTEGER PRIMARY KEY, "post_id" INTEGER NOT NULL REFERENCES "posts" ("id"), "body" TEXT);
INSERT INTO "comments" ("id","post_id","body") VALUES ('1','1','first'),('2','2','second');
DROP TABLE IF EXISTS "posts";
CREATE TABLE "posts" ("id" INTEGER PRIMARY KEY, "title" TEXT);
INSERT INTO "posts" ("id","title") VALUES ('1','one'),('2','two');
PRAGMA foreign_keys = ON;`,
	],
	[
		'a unique index after the rows of a table that is dropped first',
		`DROP TABLE IF EXISTS users; CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT);
INSERT INTO users (id,email) VALUES (1,'a@example.org'),(2,'b@example.org');
CREATE UNIQUE INDEX users_email ON users (email);`,
	],
	[
		'a table renamed, made again and filled from the old one',
		`CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT);
INSERT INTO users VALUES (1,'ann'),(2,'bob');
ALTER TABLE users RENAME TO users_old;
CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT, email TEXT);
INSERT INTO users (id,name) SELECT id,name FROM users_old;
DROP TABLE users_old;
CREATE TABLE posts (id INTEGER PRIMARY KEY, user_id INTEGER REFERENCES users(id));
INSERT INTO posts VALUES (1,1);`,
	],
	[
		'CREATE TABLE AS between rows',
		`CREATE TABLE orders (id INTEGER PRIMARY KEY, amount INTEGER);
INSERT INTO orders VALUES (1,5),(2,7);
CREATE TABLE orders_2024 AS SELECT * FROM orders WHERE amount > 1;
DELETE FROM orders WHERE id = 1;`,
	],
	[
		'rows replaced, upserted, updated and copied',
		`BEGIN TRANSACTION;
CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT, n INTEGER DEFAULT 0);
INSERT OR REPLACE INTO users VALUES (1,'ann',0); REPLACE INTO users (id,name) VALUES (1,'cid');
INSERT INTO users (id,name) VALUES (1,'x') ON CONFLICT (id) DO UPDATE SET n=n+1;
INSERT INTO users SELECT id+10,name,n FROM users; UPDATE users SET n=n*2;
COMMIT;`,
	],
	[
		'temporary tables, views and triggers in between',
		`CREATE TABLE log (x); CREATE TABLE t (a);
CREATE TEMP TABLE staging (a); INSERT INTO staging VALUES (1),(2);
CREATE TRIGGER t_log AFTER INSERT ON t BEGIN INSERT INTO log VALUES (new.a || ';'); END;
INSERT INTO t SELECT a FROM staging; CREATE VIEW v AS SELECT count(*) AS n FROM log;
CREATE TEMP TRIGGER gone AFTER DELETE ON t BEGIN SELECT 1; END;`,
	],
	[
		'the database of a local D1',
		'CREATE TABLE _cf_METADATA (key INTEGER PRIMARY KEY, value BLOB); INSERT INTO _cf_METADATA VALUES(2,5); CREATE TABLE t (a); INSERT INTO t VALUES (1);',
	],
	[
		'settings of the file',
		'PRAGMA user_version = 25; PRAGMA application_id = 1196444487; CREATE TABLE t (id INTEGER PRIMARY KEY);',
	],
	[
		'settings of the machine',
		"PRAGMA journal_mode=WAL; PRAGMA page_size=512; PRAGMA synchronous=OFF; CREATE TABLE t (a); INSERT INTO t VALUES ('é'); VACUUM; ANALYZE;",
	],
	[
		'text in double quotes, and no semicolon at the end',
		'CREATE TABLE t (a DEFAULT "d", b); INSERT INTO t (b) VALUES ("text");\n# a comment of the shell; it\'s one\nINSERT INTO t VALUES (1, 2)',
	],
	[
		'the line ends of Windows',
		"\ufeffCREATE TABLE t (a,\r\n b);\r\nINSERT INTO t VALUES ('two\r\nlines',1);\r\n",
	],
	[
		'rows that point nowhere',
		'CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (p REFERENCES p (id), q REFERENCES none (x)); INSERT INTO c VALUES (7, 8);',
	],
	[
		'a rolled back part',
		'CREATE TABLE t (a); BEGIN; INSERT INTO t VALUES (1); ROLLBACK; SAVEPOINT s; INSERT INTO t VALUES (2); ROLLBACK TO s; RELEASE s; INSERT INTO t VALUES (3);',
	],
	[
		'a literal of ten million characters',
		`CREATE TABLE t (a); INSERT INTO t VALUES(X'${'ab'.repeat(5_000_000)}');`,
	],
];

describe('as the sqlite3 shell does, Lifeboat reads', () => {
	test.for(FILES)('%s', async ([, sql]) => {
		writeFileSync(path, sql);
		runShell(sql, theirs);
		await restoreFile(path, ours);
		expect(await fileDifferences(theirs, ours)).toEqual([]);
		const numbers = 'PRAGMA user_version; PRAGMA application_id;';
		expect(sqlite3(ours, numbers)).toBe(sqlite3(theirs, numbers));
	});
});

test('a backup of Lifeboat with a line above it is a file of another program', async () => {
	const sql = FILES[1]?.[1] ?? '';
	writeFileSync(path, sql);
	const plan = await prepare(path);
	const chunks: Uint8Array[] = [];
	for await (const chunk of plan.sql.open()) chunks.push(chunk);
	writeFileSync(path, `-- fetched by hand\n${Buffer.concat(chunks)}`);
	runShell(sql, theirs);
	await restoreFile(path, ours);
	expect(await fileDifferences(theirs, ours)).toEqual([]);
});

test('a database with full-text search is read from what .dump writes', async () => {
	rmSync(theirs, { force: true });
	const rows = `INSERT INTO f VALUES ('lifeline at the pier'), ('it''s a boat');`;
	sqlite3(
		theirs,
		`CREATE VIRTUAL TABLE f USING fts5(x); ${rows} INSERT INTO f (f) VALUES ('optimize');`,
	);
	writeFileSync(path, sqlite3(theirs, '.dump'));
	await restoreFile(path, ours);
	expect(await fileDifferences(theirs, ours)).toEqual([]);
});

test('text in UTF-16 becomes UTF-8', async () => {
	writeFileSync(path, "PRAGMA encoding='UTF-16'; CREATE TABLE t (a); INSERT INTO t VALUES ('é');");
	await restoreFile(path, ours);
	expect(sqlite3(ours, 'PRAGMA encoding; SELECT hex(a) FROM t')).toBe('UTF-8\nC3A9');
});

test('bytes stay as they are in a file whose lines end with a line feed', async () => {
	writeFileSync(path, "CREATE TABLE t (a);\nINSERT INTO t VALUES ('two\r\nlines');\n");
	await restoreFile(path, ours);
	expect(sqlite3(ours, 'SELECT hex(a) FROM t')).toBe('74776F0D0A6C696E6573');
});

test('what is written in between is private', async () => {
	const before = new Set(readdirSync(tmpdir()));
	writeFileSync(path, 'CREATE TABLE t (a);');
	await openBackup(path, { unsigned: false }, context);
	const made = readdirSync(tmpdir()).filter(
		(name) => /^lifeboat-\d/.test(name) && !before.has(name),
	);
	const mine = made.filter((name) => name.startsWith(`lifeboat-${process.pid}-`));
	expect(mine).toHaveLength(1);
	const scratch = join(tmpdir(), mine[0] ?? '');
	expect(statSync(scratch).mode & 0o777).toBe(0o700);
	expect(readdirSync(scratch)).toEqual(['scratch.db.sql']);
	expect(statSync(join(scratch, 'scratch.db.sql')).mode & 0o777).toBe(0o600);
});

test('what a killed command has left is removed by the next', () => {
	const { pid } = spawnSync('true');
	const [left, live] = [pid, process.pid].map((number) =>
		join(tmpdir(), `lifeboat-${number}-aB3dEf`),
	);
	for (const each of [left, live]) mkdirSync(each ?? '');
	temporaryFolder();
	expect([left, live].map((each) => existsSync(each ?? ''))).toEqual([false, true]);
	rmSync(live ?? '', { recursive: true });
});
