import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { context, prepare, restoreFile } from '../../../tests/foreign.ts';
import { projectFolder, removeFolder, sqlite3 } from '../../../tests/operator.ts';
import { drillFile } from '../../lib/server/backup/prove/drill.ts';
import { EmbeddedDatabase } from '../embedded/database.ts';
import { openLocal } from '../targets/local.ts';
import { remoteTarget } from '../targets/remote.ts';
import { DetailedError, exitCode } from '../terminal/errors.ts';
import { openBackup } from './files.ts';
import { lostInD1, requireFitForD1 } from './fit.ts';
import { orphansIn } from './rehearse.ts';

// Files of other programs in D1: the embedded one, a drill, and wrangler's own `d1 execute`.

const sleep = async () => {};
const folder = mkdtempSync(join(tmpdir(), 'lifeboat-fit-'));
const path = join(folder, 'file.sql');
const start = process.cwd();
let project: string;
let database: EmbeddedDatabase;
beforeAll(() => {
	project = projectFolder();
	process.chdir(project);
	database = new EmbeddedDatabase({ kind: 'new', persistTo: join(folder, 'new') });
});
afterAll(async () => {
	await database[Symbol.asyncDispose]();
	process.chdir(start);
	for (const each of [folder, project]) removeFolder(each);
});

const open = (sql: string) => {
	writeFileSync(path, sql);
	return openBackup(path, { unsigned: false }, context);
};

/** One file with everything that other programs write and D1 does not take as it is. */
const EVERYTHING = `PRAGMA foreign_keys=OFF;
PRAGMA user_version = 25;
BEGIN TRANSACTION;
CREATE TABLE _cf_METADATA (key INTEGER PRIMARY KEY, value BLOB);
INSERT INTO _cf_METADATA VALUES(2,5);
CREATE TABLE comments (id INTEGER PRIMARY KEY, post INTEGER NOT NULL REFERENCES posts (id), body TEXT);
INSERT INTO comments VALUES (1,1,unistr('two\\u000alines')),(2,2,'second');
CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT);
INSERT OR REPLACE INTO users VALUES (1,'ann'); REPLACE INTO users (id,name) VALUES (1,'cid'),(3,'dan');
ALTER TABLE users RENAME TO users_old;
CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT DEFAULT "none", name TEXT);
INSERT INTO users (id,name) SELECT id,name FROM users_old; DROP TABLE users_old;
CREATE TABLE posts (id INTEGER PRIMARY KEY, title TEXT, content BLOB);
INSERT INTO posts VALUES (1,'one',X'${'AB'.repeat(300_000)}'),(2,'two',NULL);
CREATE TABLE copied AS SELECT id, name FROM users;
CREATE UNIQUE INDEX posts_title ON posts (title);
CREATE TEMP TABLE gone AS SELECT 1;
CREATE VIRTUAL TABLE search USING fts5(title); INSERT INTO search SELECT title FROM posts;
COMMIT;
`;
const QUESTIONS = [
	'SELECT id, post, hex(body) AS body FROM comments',
	'SELECT id, email, name FROM users',
	'SELECT id, title, length(content) AS n FROM posts',
	'SELECT id, name FROM copied',
	`SELECT rowid AS id FROM search WHERE search MATCH 'two'`,
];
const ANSWERS = [
	[
		{ id: 1, post: 1, body: '74776F0A6C696E6573' },
		{ id: 2, post: 2, body: '7365636F6E64' },
	],
	[
		{ id: 1, email: 'none', name: 'cid' },
		{ id: 3, email: 'none', name: 'dan' },
	],
	[
		{ id: 1, title: 'one', n: 300_000 },
		{ id: 2, title: 'two', n: null },
	],
	[
		{ id: 1, name: 'cid' },
		{ id: 3, name: 'dan' },
	],
	[{ id: 2 }],
];
const answersOf = async (queried: EmbeddedDatabase) =>
	(await queried.batch(QUESTIONS)).results.map(({ results }) => results);

describe('a file with what D1 does not take as it is', () => {
	test('is drilled, and restored through the binding', async () => {
		const { sql, foreign } = await open(EVERYTHING);
		if (foreign) requireFitForD1(foreign);
		expect(await drillFile(database, sql, { sleep })).toMatchObject({ proven: true, tables: 5 });
		await remoteTarget('production', database, context).restore(await prepare(path));
		expect(await answersOf(database)).toEqual(ANSWERS);
	});

	test('is restored into the local database, and by wrangler itself', async () => {
		const [ours, theirs] = [join(folder, 'ours'), join(folder, 'theirs')];
		mkdirSync(ours);
		const plan = await prepare(path);
		await openLocal(ours, context).restore(plan);
		const converted: Uint8Array[] = [];
		for await (const chunk of plan.sql.open()) converted.push(chunk);
		writeFileSync(join(folder, 'converted.sql'), Buffer.concat(converted));
		const target = ['--local', '--persist-to', theirs, '--yes'];
		const file = ['--file', join(folder, 'converted.sql')];
		execFileSync('wrangler', ['d1', 'execute', 'DB', ...target, ...file], { stdio: 'pipe' });
		for (const persistTo of [ours, theirs]) {
			await using restored = new EmbeddedDatabase({ kind: 'configured', persistTo });
			expect(await answersOf(restored)).toEqual(ANSWERS);
		}
	});

	test('says what D1 has no place for', async () => {
		const { foreign } = await open(`${EVERYTHING} PRAGMA application_id = -5;`);
		expect(foreign && lostInD1(foreign)).toEqual([
			"D1 has no place for the file's user_version, 25: it is not restored.",
			"D1 has no place for the file's application_id, -5: it is not restored.",
		]);
	});
});

describe('some tables of such a file', () => {
	const NEW = join(folder, 'users.db');

	test.for([
		['rows that replace others', 'INSERT OR REPLACE INTO users VALUES (1,"ann",1),(2,"bob",2);'],
		[
			'rows that are copied',
			'CREATE TABLE u (a,b,c); INSERT INTO u VALUES (1,"ann",1),(2,"bob",2); INSERT INTO users SELECT * FROM u;',
		],
		[
			'rows that are changed later',
			'INSERT INTO users VALUES (1,"x",1),(3,"bob",2); UPDATE users SET name="ann" WHERE id=1; UPDATE users SET id=2 WHERE id=3;',
		],
	] as const)('are restored with %s, by the names of the columns', async ([, sql]) => {
		rmSync(NEW, { force: true });
		writeFileSync(
			path,
			'CREATE TABLE users (id INTEGER PRIMARY KEY, email, name); INSERT INTO users VALUES (1,0,0),(2,0,0),(3,0,0),(4,0,0);',
		);
		await restoreFile(path, NEW);
		writeFileSync(path, `CREATE TABLE users (id INTEGER PRIMARY KEY, name, email); ${sql}`);
		const { SqliteFile } = await import('../targets/sqlite.ts');
		const target = new SqliteFile(NEW);
		await target.contents();
		const kept = await target.keep();
		await target.restore({ ...(await prepare(path, ['users'])), kept });
		expect(sqlite3(NEW, 'SELECT id, name, email FROM users')).toBe('1|ann|1\n2|bob|2');
	});
});

describe('what D1 would refuse is named before it is touched', () => {
	const refusal = async (sql: string, tables: string[] | null = null) => {
		const { foreign } = await open(sql);
		try {
			if (foreign) requireFitForD1(foreign, tables);
			return null;
		} catch (error) {
			if (!(error instanceof DetailedError)) throw error;
			return { code: error.code, details: error.details, exit: exitCode(error) };
		}
	};

	test('rows that point nowhere, up to ten of them', async () => {
		const sql = `CREATE TABLE users (id INTEGER PRIMARY KEY, code UNIQUE); INSERT INTO users VALUES (1, 'x');
			CREATE TABLE posts (id INTEGER PRIMARY KEY, author REFERENCES users, code REFERENCES users (code));
			INSERT INTO posts VALUES (1, 1, 'x'), (5, 9, 'x'), (6, NULL, 'y');
			CREATE TABLE tags (a, b, PRIMARY KEY (a, b), FOREIGN KEY (a, b) REFERENCES gone (x, y)) WITHOUT ROWID;
			INSERT INTO tags VALUES (1, 2);`;
		expect(await refusal(sql)).toEqual({
			code: 'foreign_keys_broken',
			exit: 2,
			details: [
				'Row 5 of "posts": its foreign key author refers to a row of "users" that does not exist.',
				'Row 6 of "posts": its foreign key code refers to a row of "users" (code) that does not exist.',
				'A row of "tags": its foreign key a, b refers to a row of "gone" (x, y) that does not exist.',
			],
		});
		expect(await refusal(sql, ['posts'])).toBe(null);
		const rows = Array.from({ length: 30 }, (_, index) => `(${index},99)`).join();
		const many = await refusal(
			`CREATE TABLE t (id INTEGER PRIMARY KEY, up REFERENCES t (id)); INSERT INTO t VALUES ${rows};`,
		);
		expect(many?.details).toHaveLength(11);
		expect(many?.details.at(-1)).toBe('And there are more such rows.');
	});

	test('rows that only D1 itself finds, at the end of a backup of our own', async () => {
		await open(
			`CREATE TABLE t (id INTEGER PRIMARY KEY, up REFERENCES t (id)); INSERT INTO t VALUES (5,6);`,
		);
		const plan = await prepare(path);
		const details = [
			'Row 5 of "t": its foreign key up refers to a row of "t" (id) that does not exist.',
		];
		const refused = { code: 'restore_refused' };
		const local = openLocal(join(folder, 'orphans'), context);
		await expect(local.restore(plan)).rejects.toMatchObject({ ...refused, details });
		await using empty = new EmbeddedDatabase({ kind: 'new', persistTo: join(folder, 'empty') });
		const message = expect.stringContaining('foreign key');
		const remote = remoteTarget('production', empty, context);
		await expect(remote.restore(plan)).rejects.toMatchObject({ ...refused, message });
		const backup = await openBackup(path, { unsigned: false }, context);
		expect(await orphansIn(backup, context)).toEqual(details);
	});

	test('values that are too large', async () => {
		const sql = `CREATE TABLE t (id INTEGER PRIMARY KEY, small, "the blob"); CREATE TABLE u (a);
			INSERT INTO t VALUES (7, 'x', zeroblob(2000001)), (8, NULL, NULL), (9, zeroblob(1100000), zeroblob(1000000));`;
		expect(await refusal(sql)).toEqual({
			code: 'value_too_large',
			exit: 2,
			details: [
				'2,000,001 bytes in "the blob" of row 7 of "t": D1 takes at most 2,000,000 in a value.',
				'2,100,000 bytes in row 9 of "t": D1 takes at most 2,000,000 in a row.',
			],
		});
		expect(await refusal(sql, ['u'])).toBe(null);
		const file = join(folder, 'large.db');
		await restoreFile(path, file);
		expect(sqlite3(file, 'SELECT length("the blob") FROM t WHERE id=7')).toBe('2000001');
		expect(readFileSync(path, 'utf8')).toBe(sql);
	});
});
