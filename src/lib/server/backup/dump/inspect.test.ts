import { env } from 'cloudflare:workers';
import { beforeEach, describe, expect, test } from 'vitest';
import { comeBack, rows } from '../../../../../tests/come-back.ts';
import { reset } from '../../../../../tests/reset.ts';

beforeEach(reset);

/** The rowids that a search finds, in the database and in its copy. */
async function found(table: string, word: string): Promise<unknown[][]> {
	const sql = `SELECT rowid FROM ${table} WHERE ${table} MATCH '${word}' ORDER BY rowid`;
	return [await rows(env.DB, sql), await rows(env.COPY, sql)];
}

const POSTS = [
	`CREATE TABLE posts (id INTEGER PRIMARY KEY, title TEXT, body TEXT, published INTEGER DEFAULT 0)`,
	`INSERT INTO posts VALUES (1, 'launch plan', 'public', 1), (2, 'salary plan', 'secret', 0), (3, 'picnic', 'public plan', 1)`,
];
const FILL = `INSERT INTO posts_fts (rowid, title, body) SELECT id, title, body FROM posts`;

describe('a full-text table is searched as before', () => {
	test.for([
		['with own rows', 'USING fts5(title, body)'],
		[
			'with own rows and remarks',
			'/* for the search page */ USING fts5(title, -- the heading\n body)',
		],
		[
			'of a table, with remarks',
			`USING fts5(title, /* text, content='' */ body, content='posts', -- in step\n content_rowid=id)`,
		],
		[
			'of a table, with a quoted name and a remark',
			'USING "fts5" (title, body, content=[posts] /* there */, content_rowid="id")',
		],
		['with abbreviated options', `USING FTS5(title, body, c='posts', content_='id')`],
		['with options like columns', `USING fts5(title, body, 'content=posts')`],
	] as const)('%s', async ([, definition]) => {
		const { warnings } = await comeBack(
			...POSTS,
			`CREATE VIRTUAL TABLE posts_fts ${definition}`,
			FILL,
		);
		expect(warnings).toEqual([]);
		expect(await found('posts_fts', 'plan')).toEqual([
			[1, 2, 3],
			[1, 2, 3],
		]);
	});

	test('that indexes a part of its table', async () => {
		const { warnings } = await comeBack(
			...POSTS,
			`CREATE VIRTUAL TABLE posts_fts USING fts5(title, body, content='posts', content_rowid='id')`,
			`${FILL} WHERE published`,
		);
		expect(warnings).toEqual([]);
		expect(await found('posts_fts', 'plan')).toEqual([
			[1, 3],
			[1, 3],
		]);
	});

	test('whose table has the name of a shadow table', async () => {
		await comeBack(
			`CREATE TABLE pages_content (id INTEGER PRIMARY KEY, title TEXT)`,
			`INSERT INTO pages_content VALUES (1, 'alpha'), (2, 'beta')`,
			`CREATE VIRTUAL TABLE pages USING fts5(title, content='pages_content', content_rowid='id')`,
			`INSERT INTO pages (pages) VALUES ('rebuild')`,
		);
		expect(await rows(env.COPY, 'SELECT * FROM pages_content')).toEqual([1, 'alpha', 2, 'beta']);
		expect(await found('pages', 'beta')).toEqual([[2], [2]]);
	});

	test('of a view with a row that has no rowid', async () => {
		await comeBack(
			`CREATE TABLE notes (id INTEGER, text TEXT)`,
			`INSERT INTO notes VALUES (1, 'alpha'), (NULL, 'beta')`,
			`CREATE VIEW texts AS SELECT * FROM notes`,
			`CREATE VIRTUAL TABLE texts_fts USING fts5(text, content='texts', content_rowid='id')`,
			`INSERT INTO texts_fts (texts_fts) VALUES ('rebuild')`,
		);
		expect(await rows(env.COPY, 'SELECT id FROM texts_fts_docsize')).toEqual([0, 1]);
	});

	test('beside a table with the name of a shadow table that it does not have', async () => {
		await comeBack(
			`CREATE TABLE notes_docsize (id INTEGER PRIMARY KEY, size INTEGER)`,
			`INSERT INTO notes_docsize VALUES (1, 10)`,
			`CREATE VIRTUAL TABLE notes USING fts5(text, columnsize=0)`,
			`INSERT INTO notes (rowid, text) VALUES (4, 'alpha')`,
		);
		expect(await rows(env.COPY, 'SELECT * FROM notes_docsize')).toEqual([1, 10]);
		expect(await found('notes', 'alpha')).toEqual([[4], [4]]);
	});

	test('beside a table with the name of a shadow table of columns that it does not have', async () => {
		await comeBack(
			`CREATE TABLE notes_content (id INTEGER PRIMARY KEY, text TEXT)`,
			`INSERT INTO notes_content VALUES (1, 'mine')`,
			`CREATE VIRTUAL TABLE notes USING fts5(text, content='', contentless_unindexed=1)`,
		);
		expect(await rows(env.COPY, 'SELECT * FROM notes_content')).toEqual([1, 'mine']);
	});

	test('whose table has a trigger and the name of a shadow table', async () => {
		await comeBack(
			`CREATE TABLE pages_content (id INTEGER PRIMARY KEY, title TEXT)`,
			`CREATE TRIGGER added AFTER INSERT ON pages_content BEGIN INSERT INTO pages (rowid, title) VALUES (new.id, new.title); END`,
			`CREATE VIRTUAL TABLE pages USING fts5(title, content='pages_content', content_rowid='id')`,
		);
		const triggers = `SELECT name FROM sqlite_schema WHERE type = 'trigger'`;
		expect(await rows(env.COPY, triggers)).toEqual(['added']);
	});

	test.for([
		['a virtual table', `content='notes'`],
		['a view on a virtual table', `content='titles', content_rowid='id'`],
	] as const)('of %s, which FTS5 does not rebuild', async ([, content]) => {
		const { warnings } = await comeBack(
			`CREATE VIRTUAL TABLE notes USING fts5(title)`,
			`INSERT INTO notes (rowid, title) VALUES (4, 'alpha'), (7, 'beta')`,
			`CREATE VIEW titles AS SELECT rowid AS id, title FROM notes`,
			`CREATE VIRTUAL TABLE titles_fts USING fts5(title, ${content})`,
			`INSERT INTO titles_fts (rowid, title) SELECT rowid, title FROM notes`,
		);
		expect(warnings).toEqual([]);
		expect(await found('titles_fts', 'beta')).toEqual([[7], [7]]);
	});

	test('after its index lost rows that its table never had', async () => {
		const { warnings } = await comeBack(
			...POSTS,
			`CREATE VIRTUAL TABLE posts_fts USING fts5(title, body, content='posts', content_rowid='id')`,
			FILL,
			'DELETE FROM posts WHERE id = 3',
		);
		expect(warnings).toEqual([
			'The index of "posts_fts" has 1 rows whose contents no longer exist: a restore leaves them out.',
		]);
		expect(await rows(env.COPY, 'SELECT id FROM posts_fts_docsize')).toEqual([1, 2]);
	});
});

describe('without a stage, a full-text table is left out with a warning', () => {
	test.for([
		[
			'that lacks a column in its table',
			`USING fts5(name, body, content='posts', content_rowid='id')`,
			'cannot be rebuilt (no such column: T.name)',
		],
		[
			'whose table is gone',
			`USING fts5(title, body, content='gone')`,
			'cannot be rebuilt (no such table: gone)',
		],
		[
			'whose view reads a table that is gone',
			`USING fts5(title, body, content='old')`,
			'cannot be rebuilt (no such table: main.gone)',
		],
		[
			'that does not tell its rows',
			`USING fts5(title, body, content='posts', columnsize=0)`,
			'does not tell which rows it indexes',
		],
		[
			'whose rowids are not unique',
			`USING fts5(title, body, content='posts', content_rowid='published')`,
			'takes several texts from rows of one rowid',
		],
		[
			'without texts, but with columns that are not indexed',
			`USING fts5(title UNINDEXED, body, content='', contentless_unindexed=1)`,
			'is contentless',
		],
		['without texts', `USING fts5(title, body, content='')`, 'is contentless'],
		[
			'without texts, and remarks',
			`USING fts5(content, -- text\n body, content = '' -- by hand\n)`,
			'is contentless',
		],
	] as const)('%s', async ([, definition, reason]) => {
		const { warnings } = await comeBack(
			...POSTS,
			`CREATE VIEW old AS SELECT * FROM gone`,
			`CREATE VIRTUAL TABLE posts_fts ${definition}`,
			`INSERT INTO posts_fts (rowid, body) VALUES (7, 'alpha')`,
		);
		expect(warnings).toEqual([expect.stringContaining(reason)]);
		expect(warnings[0]).toContain('"posts_fts"');
		expect(await found('posts_fts', 'alpha')).toEqual([[7], []]);
	});
});
