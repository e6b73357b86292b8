import { env } from 'cloudflare:workers';
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { backupOf, sleep } from '../../../../../tests/memory.ts';
import { differences, unexpected } from '../../../../../tests/databases/compare.ts';
import { databases } from '../../../../../tests/databases/generate.ts';
import { settings } from '../../../../../tests/databases/settings.ts';
import { snapshot } from '../../../../../tests/databases/snapshot.ts';
import { d1 as readable } from '../../../../../tests/databases/sources.ts';
import { type Sql, sql } from '../../../../../tests/databases/sql.ts';
import { long } from '../../../../../tests/databases/values.ts';
import { d1, type SqlDatabase } from '../database.ts';
import { type BackupFiles, sqlOf } from '../prove/files.ts';
import { restoreInto } from './apply.ts';
import { survey } from './survey.ts';
import { restoreTables } from './tables.ts';

const copy = d1(env.COPY);
const lost = async () =>
	differences(await snapshot(readable(env.DB)), await snapshot(readable(env.COPY)));
const run = (...statements: string[]) =>
	env.COPY.batch(statements.map((text) => env.COPY.prepare(text)));

const SHOP: Sql[] = [
	['CREATE TABLE users (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE)'],
	[
		'CREATE TABLE sessions (token TEXT PRIMARY KEY, user NOT NULL REFERENCES users (id) ON DELETE CASCADE) WITHOUT ROWID',
	],
	[
		'CREATE TABLE visits (session REFERENCES sessions (token) ON DELETE CASCADE, n AS (session || 1))',
	],
	['CREATE TABLE orders (id INTEGER PRIMARY KEY, user REFERENCES users (id) ON DELETE SET NULL)'],
	[
		'CREATE TABLE invoices (id INTEGER PRIMARY KEY, user NOT NULL REFERENCES users (id) ON DELETE RESTRICT)',
	],
	['CREATE TABLE log (event)'],
	[`CREATE VIRTUAL TABLE search USING fts5(name, content='users', content_rowid='id')`],
	[
		'CREATE TRIGGER added AFTER INSERT ON users BEGIN INSERT INTO search (rowid, name) VALUES (new.id, new.name); INSERT INTO log VALUES (new.name); END',
	],
	[
		`CREATE TRIGGER removed AFTER DELETE ON users BEGIN INSERT INTO search (search, rowid, name) VALUES ('delete', old.id, old.name); INSERT INTO log VALUES ('-'); END`,
	],
	[`INSERT INTO users (name) VALUES ('ann'), ('bob'), ('cleo')`],
	[`INSERT INTO sessions VALUES ('s1', 1), ('s2', 1), ('s3', 2)`],
	[`INSERT INTO visits (rowid, session) VALUES (5, 's1'), (9, 's3'), (4, NULL)`],
	['INSERT INTO orders VALUES (1, 1), (2, 3), (3, NULL)'],
	['INSERT INTO invoices VALUES (1, 2)'],
	['CREATE INDEX by_name ON users (name DESC)'],
];

/** Two copies of a database: DB, which is backed up, and COPY, where something goes wrong. */
async function twice(statements: readonly Sql[]): Promise<BackupFiles> {
	const files = await backupOf(statements);
	const found = await survey(sqlOf(files));
	await restoreInto(copy, sqlOf(files), { survey: found, sleep });
	return files;
}

async function restore(files: BackupFiles, names: string[], database: SqlDatabase = copy) {
	const found = await survey(sqlOf(files));
	return restoreTables(database, sqlOf(files), names, { survey: found, sleep });
}

describe('a table', () => {
	let files: BackupFiles;
	beforeEach(async () => void (files = await twice(SHOP)));

	test('whose rows were changed is restored, and nothing else is touched', async () => {
		await run(
			'DROP TRIGGER removed', // so that the log stays the same
			`UPDATE users SET name = name || '?'`,
			String((SHOP[8] ?? [])[0]),
		);
		await restore(files, ['users']);
		expect(await lost()).toEqual([]);
	});

	test('whose rows were deleted is restored, and rows deleted by cascade can be too', async () => {
		await run('DELETE FROM invoices', 'DELETE FROM users', 'DELETE FROM log');
		await restore(files, ['USERS', 'sessions', 'visits', 'orders', 'invoices', 'log']);
		expect(await lost()).toEqual([]);
	});

	test('that was dropped is recreated, with indexes and triggers', async () => {
		await run('PRAGMA defer_foreign_keys=ON', 'DELETE FROM invoices', 'DROP TABLE users');
		await run('DELETE FROM log');
		await restore(files, ['users', 'sessions', 'visits', 'orders', 'invoices', 'log']);
		expect(await lost()).toEqual([]);
	});

	test('keeps newer rows of other tables', async () => {
		await run(
			`INSERT INTO sessions VALUES ('s4', 3)`,
			`INSERT INTO visits (session) VALUES ('s4')`,
			`INSERT INTO orders VALUES (4, 2)`,
			`UPDATE users SET name = 'eve' WHERE id = 3`,
		);
		await restore(files, ['users']);
		const rows = async (text: string) => env.COPY.prepare(text).raw();
		expect(await rows('SELECT name FROM users ORDER BY id')).toEqual([['ann'], ['bob'], ['cleo']]);
		expect(await rows(`SELECT user FROM sessions WHERE token = 's4'`)).toEqual([[3]]);
		expect(await rows('SELECT count(*) FROM visits')).toEqual([[4]]);
		expect(await rows('SELECT user FROM orders WHERE id = 4')).toEqual([[2]]);
		expect(await rows(`SELECT rowid FROM search('cleo')`)).toEqual([[3]]);
		expect(await rows(`SELECT rowid FROM search('eve')`)).toEqual([]);
	});

	test('is left alone if rows of other tables would refer to nothing', async () => {
		await run(`INSERT INTO users VALUES (4, 'dan')`, `INSERT INTO sessions VALUES ('s4', 4)`);
		const before = await snapshot(readable(env.COPY));
		await expect(restore(files, ['users'])).rejects.toMatchObject({ code: 'restore_refused' });
		expect(differences(before, await snapshot(readable(env.COPY)))).toEqual([]);
	});

	test('never reuses an AUTOINCREMENT number', async () => {
		await run(`INSERT INTO users VALUES (90, 'dan')`, 'DELETE FROM users WHERE id = 90');
		await restore(files, ['users']);
		const [counter] = await env.COPY.prepare('SELECT seq FROM sqlite_sequence').raw();
		expect(counter).toEqual([90]);
	});

	test('that is not in the backup is refused, with the names that are', async () => {
		await expect(restore(files, ['users', 'user'])).rejects.toMatchObject({
			code: 'table_unknown',
			status: 400,
			hint: expect.stringContaining('users, sessions'),
		});
		expect(await lost()).toEqual([]);
	});

	test('stays as it was if D1 fails at any call', async () => {
		await run(`UPDATE users SET name = name || '?'`);
		const before = await snapshot(readable(env.COPY));
		for (let n = 1, failed = true; failed; n++) {
			let calls = 0;
			failed = false;
			const failing: SqlDatabase = {
				async batch(statements) {
					if (++calls !== n) return copy.batch(statements);
					failed = true;
					throw new Error('D1_ERROR: disk I/O error');
				},
			};
			const outcome = await restore(files, ['users'], failing).catch(() => null);
			if (failed) {
				expect(outcome, `call ${n}`).toBeNull();
				await restore(files, []); // removes the leftovers
				expect(differences(before, await snapshot(readable(env.COPY))), `call ${n}`).toEqual([]);
			}
		}
		const [name] = await env.COPY.prepare('SELECT name FROM users WHERE id = 1').raw();
		expect(name).toEqual(['ann']);
	});
});

test('a column named like its table, a long row and full-text rows are restored', async () => {
	const files = await twice([
		['CREATE TABLE name (name)'],
		sql`INSERT INTO name VALUES ('a'), (${long(250_000, 'x')}), ('b')`,
		['CREATE VIRTUAL TABLE notes USING fts5(note)'],
		[`INSERT INTO notes (note) VALUES ('hello')`],
		[`INSERT INTO notes (notes, rank) VALUES ('rank', 'bm25(2)')`],
	]);
	await run('DELETE FROM name', 'DELETE FROM notes');
	await restore(files, ['name', 'notes']);
	expect(await lost()).toEqual([]);
});

test('an index that the backup does not contain stays as it is', async () => {
	const index = `CREATE VIRTUAL TABLE ft USING fts5(x, content='', tokenize=trigram, detail=none)`;
	const files = await twice([...SHOP, [index]]);
	await run(`INSERT INTO ft (rowid, x) VALUES (7, 'hello')`, 'DELETE FROM log');
	await restore(files, ['ft', 'log']);
	const { results } = await env.COPY.prepare(`SELECT rowid FROM ft WHERE ft MATCH 'hel'`).all();
	expect(results).toEqual([{ rowid: 7 }]);
	const { results: log } = await env.COPY.prepare('SELECT count(*) AS n FROM log').all();
	expect(log).not.toEqual([{ n: 0 }]);
});

test('an index that only the rows of the whole file needed is not created', async () => {
	const files = await twice([
		['CREATE TABLE teams (slug TEXT COLLATE NOCASE)'],
		['CREATE UNIQUE INDEX by_slug ON teams (slug COLLATE NOCASE)'],
		['CREATE TABLE members (team REFERENCES teams (slug))'],
	]);
	await run('DROP TABLE teams');
	await restore(files, ['teams']);
	expect(await lost()).toEqual([]);
});

test('only the indexes of a restored table change, and its triggers come back', async () => {
	const files = await twice([
		['CREATE TABLE posts (id INTEGER PRIMARY KEY, title TEXT)'],
		[`INSERT INTO posts VALUES (1, 'alpha')`],
		['CREATE VIRTUAL TABLE published USING fts5(title, content=posts, content_rowid=id)'],
		['CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT)'],
		[`INSERT INTO notes VALUES (1, 'beta')`],
		['CREATE VIRTUAL TABLE notes_fts USING fts5(text, content=notes, content_rowid=id)'],
		[`INSERT INTO notes_fts (notes_fts) VALUES ('rebuild')`],
		['CREATE VIRTUAL TABLE words USING fts5vocab(notes_fts, row)'],
		['CREATE TABLE pages_content (id INTEGER PRIMARY KEY)'],
		['CREATE TRIGGER page AFTER INSERT ON pages_content BEGIN SELECT 1; END'],
		[`CREATE VIRTUAL TABLE pages USING fts5(id, content='pages_content', content_rowid=id)`],
		['CREATE TRIGGER notes AFTER INSERT ON posts BEGIN SELECT 1; END'],
	]);
	await run(`INSERT INTO published (rowid, title) VALUES (1, 'alpha')`);
	await run(`INSERT INTO notes_fts (notes_fts, rowid, text) VALUES ('delete', 1, 'beta')`);
	await restore(files, ['posts', 'WORDS']);
	const rows = async (text: string) => env.COPY.prepare(text).raw();
	expect(await rows(`SELECT rowid FROM published('alpha')`)).toEqual([]);
	expect(await rows(`SELECT rowid FROM notes_fts('beta')`)).toEqual([]);
	await run('DROP TABLE posts');
	await restore(files, ['posts']);
	const triggers = `SELECT name FROM sqlite_schema WHERE type = 'trigger' ORDER BY name`;
	expect(await rows(triggers)).toEqual([['notes'], ['page']]);
});

test.for(["content=''", "content='', columnsize=0", "content='', contentless_delete=1"])(
	'an index with %s is replaced',
	async (options) => {
		const indexes = ['ft', 'empty'].map((name): Sql => [
			`CREATE VIRTUAL TABLE ${name} USING fts5(x, ${options})`,
		]);
		const files = await twice([...indexes, [`INSERT INTO ft (rowid, x) VALUES (7, 'hello')`]]);
		await run(
			`INSERT INTO ft (rowid, x) VALUES (8, 'hello world')`,
			`INSERT INTO empty (rowid, x) VALUES (8, 'hello')`,
		);
		await restore(files, ['ft', 'empty']);
		const find = (name: string) =>
			env.COPY.prepare(`SELECT rowid FROM ${name} WHERE ${name} MATCH 'hello'`).raw();
		expect([await find('ft'), await find('empty')]).toEqual([[[7]], []]);
	},
);

describe('generated databases', () => {
	const random = settings(60);

	test('stay the same when some of their tables are restored', random.test, async () => {
		await fc.assert(
			fc.asyncProperty(
				databases(),
				fc.infiniteStream(fc.boolean()),
				async ({ statements }, dice) => {
					const files = await twice(statements);
					const { tableNames } = await survey(sqlOf(files));
					const names = tableNames.filter(() => dice.next().value);
					await restore(files, names).catch((error: { code: string; message: string }) => {
						expect(error, error.message).toMatchObject({ code: 'table_too_wide' });
					});
					expect(unexpected(await lost(), files.manifest.warnings)).toEqual([]);
				},
			),
			random.check,
		);
	});
});
