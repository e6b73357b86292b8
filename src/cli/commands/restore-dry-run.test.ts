import { cpSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
	operate,
	projectFolder,
	removeFolder,
	runLocally,
	sqlite3,
} from '../../../tests/operator.ts';

// `npm run restore -- ... --dry-run` says what would happen, and changes nothing.

let project: string;
/** A folder with a file to restore and two targets, as it was before each test. */
let original: string;
let folder: string;

const SQL = `CREATE TABLE users (id INTEGER PRIMARY KEY, name); INSERT INTO users VALUES (1,'ann'),(2,'bob');
CREATE TABLE notes (id INTEGER PRIMARY KEY, user REFERENCES users (id)); INSERT INTO notes VALUES (1,2);
PRAGMA user_version = 25;`;
const ORPHAN = `${SQL} INSERT INTO notes VALUES (7,99);`;

beforeAll(async () => {
	project = projectFolder();
	original = join(project, 'original');
	mkdirSync(original);
	writeFileSync(join(original, 'file.sql'), SQL);
	writeFileSync(join(original, 'orphan.sql'), ORPHAN);
	const there = [
		'CREATE TABLE Users (id, name)',
		"INSERT INTO Users VALUES (9,'x')",
		'CREATE TABLE mine (a)',
	];
	sqlite3(join(original, 'target.db'), `${there.join(';')};`);
	runLocally(join(original, 'state'), ...there);
});
afterAll(() => removeFolder(project));
beforeEach(() => {
	folder = join(project, `folder-${Math.random()}`);
	cpSync(original, folder, { recursive: true, preserveTimestamps: true });
});

/** Every file in the folder, with its bytes and its time. Readers of a WAL take notes in `-shm`. */
function contents(): string[] {
	return readdirSync(folder, { recursive: true, encoding: 'utf8' })
		.filter((name) => !name.endsWith('-shm') && statSync(join(folder, name)).isFile())
		.map((name) => {
			const path = join(folder, name);
			return `${name} ${statSync(path).mtimeMs} ${readFileSync(path).toString('latin1')}`;
		});
}

async function dryRun(file: string, to: string, ...more: string[]) {
	const before = contents();
	const words = [join(folder, file), '--to', to, '--dry-run', ...more];
	const ended = await operate(project, 'restore', words);
	expect(contents()).toEqual(before);
	return ended;
}

const change = (name: string, there: number | null, backup: number | null, what: string) => ({
	...{ name, there, backup, change: what },
});

describe.for([
	['a plain file', () => join(folder, 'target.db')],
	['the local database', () => `local:${join(folder, 'state')}`],
] as const)('into %s', ([, to]) => {
	test('names each table, and what happens to it', async () => {
		const { code, stdout } = await dryRun('file.sql', to(), '--replace', '--json');
		expect([code, JSON.parse(stdout)]).toMatchObject([
			0,
			{
				dryRun: true,
				tables: [
					change('users', 1, 2, 'replace'),
					change('notes', null, 1, 'create'),
					change('mine', 0, null, 'remove'),
				],
			},
		]);
	});

	test('is refused where the restore would be', async () => {
		const { code, stderr } = await dryRun('file.sql', to());
		expect([code, stderr]).toEqual([2, expect.stringContaining('is not empty: Users, mine')]);
	});
});

test('some tables, for people', async () => {
	const { code, stdout } = await dryRun('file.sql', join(folder, 'target.db'), '--tables', 'users');
	expect(code).toBe(0);
	expect(stdout).toMatch(/^users +1 +2 +replace\nmine +0 +- +stay$/m);
	expect(stdout).toContain('would be restored into');
	expect(stdout).toContain('Nothing was changed.');
});

test('rows that point nowhere are named for D1, and restored into a plain file', async () => {
	const refused = await dryRun(
		'orphan.sql',
		`local:${join(folder, 'state')}`,
		'--replace',
		'--json',
	);
	expect([refused.code, JSON.parse(refused.stdout)]).toMatchObject([
		2,
		{
			code: 'foreign_keys_broken',
			details: [expect.stringMatching(/^Row 7 of "notes": .* user /)],
		},
	]);
	const taken = await dryRun('orphan.sql', join(folder, 'new.db'));
	expect(taken.code).toBe(0);
});

test('a target with a view alone, or with something else in it, is not empty', async () => {
	const target = join(folder, 'target.db');
	sqlite3(target, 'DROP TABLE Users; DROP TABLE mine; CREATE VIEW v AS SELECT 1;');
	expect(await dryRun('file.sql', target)).toMatchObject({ code: 2 });
	writeFileSync(target, 'no database');
	expect(await dryRun('file.sql', target)).toMatchObject({ code: 2 });
	expect(await dryRun('file.sql', target, '--replace')).toMatchObject({ code: 0 });
});

test('what D1 has no place for is told', async () => {
	const { stdout } = await dryRun('file.sql', `local:${join(folder, 'state')}`, '--replace');
	expect(stdout).toContain("D1 has no place for the file's user_version, 25");
});
