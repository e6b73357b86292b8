import { env } from 'cloudflare:workers';
import { beforeEach, describe, expect, test } from 'vitest';
import { createBackup, engine, run } from '../../../../../tests/backups.ts';
import { comeBack, rows, sqlOfBackup } from '../../../../../tests/come-back.ts';
import { sleep } from '../../../../../tests/memory.ts';
import { reset } from '../../../../../tests/reset.ts';
import { d1 } from '../database.ts';
import { restoreInto } from '../restore/apply.ts';
import { survey } from '../restore/survey.ts';

beforeEach(reset);

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
		['a PRIMARY KEY', 'slug TEXT, PRIMARY KEY (slug COLLATE NOCASE)', ''],
		['a UNIQUE constraint', 'slug TEXT COLLATE NOCASE, UNIQUE (slug COLLATE BINARY)', ''],
		['a UNIQUE index', 'slug TEXT', '(slug COLLATE RTRIM)'],
		['a UNIQUE index of another', 'slug TEXT COLLATE NOCASE', '(slug COLLATE BINARY)'],
		['a partial UNIQUE index', 'slug TEXT', '(slug) WHERE slug > 0'],
	] as const)('to columns with %s that does not count is restored', async ([, columns, index]) => {
		const { warnings } = await comeBack(
			`CREATE TABLE "our ""teams"" " (${columns})`,
			`CREATE UNIQUE INDEX teams_slug ON "our ""teams"" " (slug)`,
			`CREATE TABLE members (team TEXT REFERENCES "Our ""Teams"" " (Slug) ON DELETE CASCADE)`,
			`INSERT INTO "our ""teams"" " VALUES ('red'), ('blue')`,
			`INSERT INTO members VALUES ('red'), ('blue'), (NULL)`,
			'DROP INDEX teams_slug',
			...(index ? [`CREATE UNIQUE INDEX teams_other ON "our ""teams"" " ${index}`] : []),
		);
		expect(warnings).toEqual([]);
		expect(await rows(env.COPY, 'SELECT team FROM members')).toEqual(['red', 'blue', null]);
	});

	test('to a table that is gone and whose name an index has is restored', async () => {
		await comeBack(
			'CREATE TABLE members (team REFERENCES teams (slug))',
			'CREATE INDEX teams ON members (team)',
		);
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
		[
			'to what is no key, with rows in the parent alone',
			['DROP TABLE members', 'CREATE TABLE members (team REFERENCES teams (rowid))'],
			'that is not its key',
		],
		[
			"to SQLite's own table",
			[
				'CREATE TABLE counted (id INTEGER PRIMARY KEY AUTOINCREMENT)',
				'DROP TABLE members',
				'CREATE TABLE members (counter REFERENCES sqlite_sequence (name))',
			],
			'that is not its key',
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
