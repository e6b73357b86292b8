import { env } from 'cloudflare:workers';
import type { D1Database } from '@cloudflare/workers-types';
import { beforeEach, describe, expect, test } from 'vitest';
import { createBackup, engine, run } from '../../../../../tests/backups.ts';
import { key } from '../../../../../tests/encodings.ts';
import { sleep } from '../../../../../tests/memory.ts';
import { reset } from '../../../../../tests/reset.ts';
import { d1 } from '../database.ts';
import type { Manifest } from '../format/manifest.ts';
import { UNLIMITED } from '../make/budget.ts';
import { sqlOf } from '../prove/files.ts';
import { drillBackup } from '../prove/prove.ts';
import { restoreInto } from '../restore/apply.ts';
import { survey } from '../restore/survey.ts';
import { readManifest, readVolume } from '../storage/bucket.ts';

beforeEach(reset);

/**
 * Backs up what the statements make, in one step and in many and without a stage, drills it, and
 * restores it into COPY.
 */
async function comeBack(...statements: string[]): Promise<Manifest> {
	for (const statement of statements) await run(env.DB, statement);
	const whole = await createBackup(engine({ stageMaxBytes: 0 }));
	const budget = { ...UNLIMITED, queries: 1 };
	const { tables } = await createBackup(engine({ budget, keys: [key], stageMaxBytes: 0 }));
	expect(tables).toEqual(whole.tables);
	const { differences } = await drillBackup(engine(), env.DRILL_DB, `${whole.name}.sql`);
	expect(differences).toEqual([]);
	const sql = await sqlOfBackup(whole);
	await restoreInto(d1(env.COPY), sql, { survey: await survey(sql), sleep });
	return whole;
}

async function sqlOfBackup({ name }: Manifest) {
	const opened = await readManifest(env.MY_BUCKET, `${name}.sql`, []);
	return sqlOf({ ...opened, open: (key) => readVolume(env.MY_BUCKET, key) });
}

async function rows(database: D1Database, sql: string): Promise<unknown[]> {
	return (await database.prepare(sql).raw()).flat();
}

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

describe('a foreign key', () => {
	const TEAMS = [
		`CREATE TABLE teams (id INTEGER PRIMARY KEY, slug TEXT NOT NULL)`,
		`CREATE UNIQUE INDEX teams_slug ON teams (slug)`,
		`CREATE TABLE members (id INTEGER PRIMARY KEY, team TEXT REFERENCES teams (slug))`,
		`INSERT INTO teams VALUES (1, 'red'), (2, 'blue')`,
	];
	const MEMBERS = `INSERT INTO members VALUES (1, 'red'), (2, 'blue'), (3, NULL)`;

	test('to columns without a UNIQUE index is restored', async () => {
		const { warnings } = await comeBack(...TEAMS, MEMBERS, 'DROP INDEX teams_slug');
		expect(warnings).toEqual([]);
		expect(await rows(env.COPY, 'SELECT team FROM members')).toEqual(['red', 'blue', null]);
		expect(await rows(env.COPY, `SELECT name FROM sqlite_schema WHERE type = 'index'`)).toEqual([]);
	});

	test.for([
		[
			'to columns of which two rows have the same',
			['DROP INDEX teams_slug', `INSERT INTO teams VALUES (3, 'red')`],
			'several of its rows have the same values there',
		],
		[
			'to a view',
			[
				'DROP INDEX teams_slug',
				'CREATE TABLE copy AS SELECT * FROM teams',
				'DROP TABLE teams',
				'CREATE VIEW teams AS SELECT * FROM copy',
			],
			'"teams" is not a table',
		],
	] as const)('%s is warned of, and the restore is refused', async ([, changes, reason]) => {
		for (const statement of [...TEAMS, MEMBERS, ...changes]) await run(env.DB, statement);
		const backup = await createBackup(engine());
		expect(backup.warnings).toEqual([expect.stringContaining(reason)]);
		const sql = await sqlOfBackup(backup);
		const restore = restoreInto(d1(env.COPY), sql, { survey: await survey(sql), sleep });
		await expect(restore).rejects.toMatchObject({ code: 'restore_refused' });
	});

	test('to a view is restored as long as it is NULL', async () => {
		const { warnings } = await comeBack(
			...TEAMS,
			'INSERT INTO members VALUES (1, NULL)',
			'CREATE TABLE copy AS SELECT * FROM teams',
			'DROP TABLE teams',
			'CREATE VIEW teams AS SELECT * FROM copy',
		);
		expect(warnings).toEqual([]);
	});
});
