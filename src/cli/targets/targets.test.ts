import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { openState } from '../../../tests/app/miniflare.ts';
import { openLocalFile } from '../../../tests/local-database.ts';
import { dumpOf, operate, projectFolder, removeFolder, sqlite3 } from '../../../tests/operator.ts';
import { d1, type SqlDatabase } from '../../lib/server/backup/database.ts';
import { fileIn, large, planFor, standInForWrangler } from '../../../tests/plans.ts';
import { MARKER_DEFINITION } from '../../lib/server/backup/restore/contents.ts';
import { SqliteDatabase } from '../embedded/sqlite-database.ts';
import { Progress } from '../terminal/progress.ts';
import { openLocal } from './local.ts';
import { remoteTarget } from './remote.ts';
import { SqliteFile } from './sqlite.ts';
import type { Plan, Target } from './target.ts';

/** A database with a long row, a full-text index and AUTOINCREMENT counters. */
const STATEMENTS = [
	'CREATE TABLE users (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT)',
	'CREATE TABLE notes (user REFERENCES users (id), note TEXT)',
	`CREATE VIRTUAL TABLE search USING fts5(note)`,
	`WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 30) INSERT INTO users SELECT i, 'name ' || i || hex(zeroblob(700)) FROM n`,
	`INSERT INTO notes VALUES (7, 'to be kept'), (8, hex(zeroblob(150000))), (NULL, NULL)`,
	`INSERT INTO search VALUES ('to be found')`,
	'DELETE FROM users WHERE id > 25',
	'CREATE TRIGGER touch AFTER INSERT ON notes BEGIN UPDATE users SET name = 1; END',
];

const context = { signal: new AbortController().signal, progress: new Progress() };
interface Change {
	sql?: string;
	change?: (sql: string) => string;
}

let project: string;
let text: string;
/** A folder for each test. */
let folder: string;
/** The folder of the embedded database, its file, which each test finds with one table, and the target. */
let state: string;
let path: string;
let connection: DatabaseSync;
let embedded: SqlDatabase;
let local: Target;
/** The same database in workerd's D1, as one on Cloudflare. */
let remote: Target;
let close: () => PromiseLike<void>;

beforeAll(async () => {
	project = projectFolder();
	text = String(await dumpOf(join(project, 'backup'), ...STATEMENTS)); // backup.sql is restored too
	state = join(project, 'state');
	connection = openLocalFile(state);
	path = fileIn(state);
	embedded = new SqliteDatabase(connection);
	const miniflare = await openState(state);
	remote = remoteTarget('production', d1(await miniflare.getD1Database('DB')), context);
	close = () => miniflare.dispose();
	process.chdir(project);
	local = openLocal(state, context);
});
afterAll(async () => {
	connection.close();
	await close();
	removeFolder(project);
});
beforeEach(async () => {
	folder = join(project, `target-${Math.random()}`);
	mkdirSync(folder);
	empty();
	await embedded.batch(['CREATE TABLE mine (a)', 'INSERT INTO mine VALUES (7)']);
});
afterEach(async () => {
	vi.unstubAllEnvs();
	for (const name of readdirSync(project)) {
		if (name.startsWith('before-restore-')) rmSync(join(project, name));
	}
	removeFolder(folder);
});

/** Drops every object that is not D1's. */
function empty(): void {
	connection.exec('PRAGMA foreign_keys=OFF');
	const objects = `SELECT type, name FROM sqlite_schema WHERE type IN ('trigger', 'table')
		AND name NOT LIKE 'sqlite%' AND name NOT LIKE '\\_cf%' ESCAPE '\\' ORDER BY sql NOT LIKE '%VIRTUAL%'`;
	for (const { type, name } of connection.prepare(objects).all()) {
		connection.exec(`DROP ${type} IF EXISTS "${name}"`);
	}
}

const damage = (sql: string) => sql.replace('to be kept', 'to be lost');
/** A plan for the backup or another text; `change` tampers with the SQL on its way into the target. */
const plan = (changes: Partial<Plan>, { sql = text, change }: Change = {}) =>
	planFor(sql, changes, change);

const KEPT = { file: 'kept.sql', undo: 'npm run undo' };
const mine = () =>
	embedded.batch(['SELECT a FROM mine']).then(({ results }) => results[0]?.results);
/** An SQLite file that already has a table. */
function openFile(): { target: Target; file: string } {
	const file = join(folder, 'file.db');
	sqlite3(file, 'CREATE TABLE mine (a); INSERT INTO mine VALUES (7);');
	return { target: new SqliteFile(file), file };
}

describe('a restore that differs from its backup', () => {
	const differs = {
		code: 'restore_differs',
		message: expect.stringContaining('"notes" has other rows'),
	};

	test('is rolled back in the embedded database', async () => {
		const damaged = await plan({ kept: KEPT }, { change: damage });
		await expect(local.restore(damaged)).rejects.toMatchObject(differs);
		expect(await mine()).toEqual([{ a: 7 }]);
		await local.restore(await plan({ kept: KEPT }));
		expect(await local.count(['notes', 'users'])).toEqual([3, 25]);

		await embedded.batch(['DELETE FROM notes']);
		const rows = await plan({ kept: KEPT, tables: ['notes'] }, { change: damage });
		await expect(local.restore(rows)).rejects.toMatchObject(differs);
		expect(await local.count(['notes'])).toEqual([0]);
	});

	test('never becomes the SQLite file', async () => {
		const { target, file } = openFile();
		await target.contents();
		const kept = await target.keep();
		const before = readFileSync(file);
		await expect(target.restore(await plan({ kept }, { change: damage }))).rejects.toMatchObject(
			differs,
		);
		expect(readFileSync(file).equals(before)).toBe(true);
		await target.restore(await plan({ kept }));
		expect(sqlite3(file, 'SELECT count(*) FROM notes')).toBe('3');

		const again = new SqliteFile(file);
		await again.contents();
		const restored = readFileSync(file);
		const changes = { kept: await again.keep(), tables: ['notes', 'users'] };
		const rows = await plan(changes, { change: damage });
		await expect(again.restore(rows)).rejects.toMatchObject(differs);
		expect(readFileSync(file).equals(restored)).toBe(true);
	});

	test('is reported on Cloudflare, with the command that undoes it', async () => {
		const damaged = await plan({ kept: KEPT }, { change: damage });
		const error: unknown = await remote.restore(damaged).catch((reason: unknown) => reason);
		expect(error).toMatchObject(differs);
		expect(await remote.recover(damaged, error)).toBe(
			'It holds what was restored, including the differences. To get back what was there: npm run undo',
		);
	});

	test('is reported after an import on Cloudflare too', async () => {
		const log = standInForWrangler(folder, project, path);
		const sql = large(text);
		const damaged = await plan({ kept: KEPT }, { sql, change: damage });
		await expect(remote.restore(damaged)).rejects.toMatchObject(differs);
		await remote.restore(await plan({ kept: KEPT }, { sql }));
		expect(await remote.count(['notes', 'users'])).toEqual([3, 25]);
		expect(await remote.contents()).not.toContain('lifeboat_restore');
		const call = expect.stringMatching(
			/^0 d1 execute production --remote --yes --file \S+backup\.sql$/,
		);
		expect(readFileSync(log, 'utf8').trim().split('\n')).toEqual([call, call]);
	});

	test('changes no row of a table on Cloudflare', async () => {
		await remote.restore(await plan({ kept: KEPT }));
		await embedded.batch(['DELETE FROM notes WHERE user IS NULL']);
		const tables = ['notes', 'users', 'search'];
		const damaged = await plan({ kept: KEPT, tables }, { change: damage });
		await expect(remote.restore(damaged)).rejects.toMatchObject(differs);
		expect(await remote.count(['notes'])).toEqual([2]);
		await remote.restore(await plan({ kept: KEPT, tables }));
		expect(await remote.count(tables)).toEqual([3, 25, 1]);
	});
});

test('rows are restored into tables that have gained a column, which stays', async () => {
	await local.restore(await plan({ kept: KEPT }));
	await embedded.batch([
		'DELETE FROM notes',
		`ALTER TABLE notes ADD COLUMN colour TEXT DEFAULT 'red'`,
		'ALTER TABLE users ADD COLUMN age',
	]);
	for (const target of [local, remote]) {
		await target.restore(await plan({ kept: KEPT, tables: ['notes', 'users', 'search'] }));
		const { results } = await embedded.batch([
			`SELECT count(*) AS n FROM notes WHERE colour = 'red'`,
		]);
		expect(results[0]?.results).toEqual([{ n: 3 }]);
	}
});

describe('writes while a target is backed up and replaced', () => {
	test('wait in the embedded database', async () => {
		const kept = await local.keep();
		using app = new DatabaseSync(path);
		expect(() => app.exec('INSERT INTO mine VALUES (8)')).toThrow('database is locked');
		await local.restore(await plan({ kept }));
		expect(await local.count(['notes'])).toEqual([3]);
	});

	test('are covered by the bookmark of a database on Cloudflare, taken after the copy', async () => {
		const log = standInForWrangler(folder, project, path);
		const kept = await remote.keep();
		expect(readFileSync(log, 'utf8')).toBe('1 d1 time-travel info production --json\n');
		expect(kept.undo).toBe('npx wrangler d1 time-travel restore production --bookmark=0000-1');
		expect(readFileSync(kept.file, 'utf8')).toContain('CREATE TABLE mine (a)');
	});

	test('are kept if they create an SQLite file that did not exist', async () => {
		const file = join(folder, 'new.db');
		const target = new SqliteFile(file);
		expect(await target.contents()).toEqual([]);
		sqlite3(file, 'CREATE TABLE mine (a); INSERT INTO mine VALUES (7);');
		await expect(target.restore(await plan({}))).rejects.toMatchObject({
			code: 'target_not_empty',
		});
		expect(sqlite3(file, 'SELECT a FROM mine')).toBe('7');
		expect(readdirSync(folder).filter((name) => name.includes('restoring'))).toEqual([]);
	});
});

describe('a target that already uses the marker’s name', () => {
	const objects = () =>
		embedded
			.batch([`SELECT type, name FROM sqlite_schema WHERE name NOT LIKE '\\_cf%' ESCAPE '\\'`])
			.then(({ results }) => results[0]?.results);

	/** Restores into the database, which is refused. Returns the error code. */
	async function refused(backup: string): Promise<string> {
		const words = [join(project, backup), '--unsigned', '--to', `local:${state}`, '--json'];
		const ended = await operate(project, 'restore', words);
		expect(ended.code).toBe(2);
		return JSON.parse(ended.stdout).code as string;
	}

	test.for([
		['a trigger', 'CREATE TRIGGER lifeboat_restore AFTER INSERT ON mine BEGIN SELECT 1; END'],
		['a table', 'CREATE TABLE lifeboat_restore (step INTEGER PRIMARY KEY)'],
		['an empty marker', MARKER_DEFINITION],
	] as const)('for %s stays as it is', async ([, sql]) => {
		await embedded.batch([sql]);
		const before = await objects();
		expect(await refused('backup.sql')).toBe('target_not_empty');
		expect(await objects()).toEqual(before);
		expect(await mine()).toEqual([{ a: 7 }]);
	});

	test('stays as it is without a backup', async () => {
		await embedded.batch([MARKER_DEFINITION]);
		const before = await objects();
		// They are looked for at the same time.
		expect(await refused('nothing.sql')).toMatch(/^(target_not_empty|file_not_found)$/);
		expect(await objects()).toEqual(before);
	});

	test('a file that would create it is refused before anything is asked', async () => {
		const file = join(folder, 'other.sql');
		writeFileSync(file, 'CREATE TABLE lifeboat_restore (a);');
		const words = [file, '--to', `local:${state}`, '--replace', '--yes', 'local', '--json'];
		const ended = await operate(project, 'restore', words);
		expect([ended.code, JSON.parse(ended.stdout).code]).toEqual([1, 'restore_refused']);
		expect(readdirSync(project).filter((name) => name.startsWith('before-'))).toEqual([]);
		expect(await mine()).toEqual([{ a: 7 }]);
	});
});

test('the copy of a half-restored database has everything except the marker', async () => {
	const id = '0b4f3f0e-3c62-4a42-9d5c-6f0a4c3f4d11';
	await embedded.batch([
		MARKER_DEFINITION,
		`INSERT INTO lifeboat_restore VALUES ('${id}', 3, unixepoch() - 61, 'table mine')`,
	]);
	expect(await local.contents()).toEqual(['mine']);
	const kept = await local.keep();
	await local.restore(await plan({ kept }));
	expect(await local.count(['notes'])).toEqual([3]);
	expect(readFileSync(kept.file, 'utf8')).not.toContain('lifeboat_restore');
	sqlite3('copy.db', readFileSync(kept.file, 'utf8'));
	expect(sqlite3('copy.db', 'SELECT a FROM mine')).toBe('7');
	rmSync('copy.db');
});
