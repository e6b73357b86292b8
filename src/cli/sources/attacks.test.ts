import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { prepare } from '../../../tests/foreign.ts';
import { sqlite3 } from '../../../tests/operator.ts';
import { Guard } from '../embedded/guard.ts';
import { asLifeboatError, exitCode } from '../terminal/errors.ts';

// Files that try to reach something besides their target: refused, and nothing is made or changed.

const start = process.cwd();
const folder = mkdtempSync(join(tmpdir(), 'lifeboat-attacks-'));
const path = join(folder, 'file.sql');
const away = join(folder, 'away');
beforeAll(() => {
	mkdirSync(away);
	sqlite3(join(folder, 'live.db'), 'CREATE TABLE users (id); INSERT INTO users VALUES (1);');
	process.chdir(folder);
});
afterAll(() => {
	process.chdir(start);
	rmSync(folder, { recursive: true });
});
beforeEach(() => rmSync(path, { force: true }));

/** What is in the folder, with the digest of each file. */
function contents(): string[] {
	return readdirSync(folder, { recursive: true, encoding: 'utf8' })
		.filter((name) => name !== 'away' && name !== 'file.sql')
		.map((name) => {
			const bytes = readFileSync(join(folder, name));
			return `${name} ${createHash('sha256').update(bytes).digest('hex')}`;
		});
}

const live = join(folder, 'live.db');
/** Statements that reach outside, or that only do so where SQLite is built in another way. */
const ATTACKS: [string, string][] = [
	['ATTACH', `ATTACH DATABASE 'live.db' AS live; DELETE FROM live.users;`],
	['ATTACH of a new file', `ATTACH 'away/new.db' AS x; CREATE TABLE x.t (a);`],
	['ATTACH in other case', `aTtAcH 'live.db' AS live; DELETE FROM live.users;`],
	[
		'ATTACH with remarks in between',
		`ATTACH/* */DATABASE--\n'live.db'/**/AS live; DELETE FROM live.users;`,
	],
	['ATTACH with a remark in the keyword', `ATT/**/ACH 'live.db' AS live;`],
	['ATTACH after EXPLAIN', `EXPLAIN ATTACH 'live.db' AS live;`],
	['ATTACH by an expression', `ATTACH (SELECT 'away/' || 'new.db') AS x;`],
	['ATTACH by a URI', `ATTACH 'file:${live}?mode=rw' AS live; DELETE FROM live.users;`],
	['ATTACH of memory', `ATTACH ':memory:' AS m;`],
	[
		'ATTACH in a trigger',
		`CREATE TRIGGER q AFTER INSERT ON t BEGIN ATTACH 'live.db' AS live; END;`,
	],
	['ATTACH after a NUL', `SELECT 1\0; ATTACH 'live.db' AS live;`],
	['ATTACH in a variable', `SELECT $a('); ATTACH 'away/new.db' AS x; --');`],
	['ATTACH in a row', `INSERT INTO t (a) VALUES ((ATTACH 'live.db' AS live));`],
	['DETACH', `DETACH main;`],
	['VACUUM INTO', `VACUUM INTO 'away/copy.db';`],
	['VACUUM INTO with remarks', `vacuum/**/main -- INTO\n into 'away/copy.db';`],
	['VACUUM INTO by an expression', `VACUUM INTO (SELECT 'away/copy.db');`],
	['load_extension', `SELECT load_extension('./evil');`],
	['load_extension in a WITH', `WITH x AS (SELECT load_extension('./evil') AS y) SELECT * FROM x;`],
	['load_extension in quotes', `INSERT INTO t (a) VALUES ("load_extension"/**/('./evil'));`],
	['load_extension in a column', `INSERT INTO t (a) SELECT load_extension('./evil', 'x');`],
	['writefile', `SELECT writefile('away/new', 'x');`],
	['writefile in a row', `INSERT INTO t (a) VALUES (writefile('away/new','x'));`],
	['readfile', `INSERT INTO t (a) VALUES (readfile('/etc/passwd'));`],
	['edit', `SELECT edit('x', 'touch away/new');`],
	['fsdir', `INSERT INTO t (a) SELECT name FROM fsdir('/');`],
	['PRAGMA temp_store_directory', `PRAGMA temp_store_directory='away';`],
	['PRAGMA data_store_directory', `PRAGMA main.data_store_directory = 'away';`],
	['PRAGMA of an extension', `PRAGMA activate_extensions('see-x');`],
	['a function of such a PRAGMA', `SELECT * FROM pragma_temp_store_directory('away');`],
	['PRAGMA of a database that is not there', `PRAGMA live.journal_mode=DELETE;`],
	['a virtual table of files', `CREATE VIRTUAL TABLE c USING csv(filename='/etc/passwd');`],
	['a virtual table of pages', `CREATE VIRTUAL TABLE temp.d USING "dbstat"(main);`],
	['a command of the shell', `.shell touch away/new\nSELECT 1;`],
	['another command of the shell', `.open live.db\nDELETE FROM users;`],
];

const FIRST = 'CREATE TABLE t (a);\nINSERT INTO t (a) VALUES\n(1);\n';
const LAST = `-- lifeboat {"schema":{"objects":0,"sha256":"${'0'.repeat(64)}"},"tables":{"t":{"rows":1,"sha256":"${createHash('sha256').update('(1)').digest('hex')}"}}}\n`;

/** How a restore of such a file ends before it touches its target. */
async function refusal(sql: string) {
	writeFileSync(path, sql);
	const thrown: unknown = await prepare(path).catch((reason: unknown) => reason);
	expect(thrown).toBeInstanceOf(Error);
	const error = asLifeboatError(thrown);
	return { code: error.code, exit: exitCode(error), message: error.message };
}

describe.for([
	['a file of another program', FIRST, ''],
	['a file of Lifeboat', `-- Lifeboat full backup\n${FIRST}`, LAST],
] as const)('%s', ([, above, below]) => {
	test.for(ATTACKS)('with %s is refused, and nothing outside changes', async ([name, attack]) => {
		const before = contents();
		const { exit, code } = await refusal(`${above}${attack}\n${below}`);
		expect(code).not.toBe('internal_error');
		// The damage of a backup ends with 1, as does a row that its digests do not know.
		const isDamage = ['sql_not_text', 'backup_differs', 'sql_incomplete'].includes(code);
		expect([name, exit]).toEqual([name, isDamage ? 1 : 2]);
		expect(contents()).toEqual(before);
	});
});

test('the place is named', async () => {
	const other = await refusal(`${FIRST}  ATTACH 'live.db' AS live;`);
	expect(other).toMatchObject({ code: 'statement_not_allowed' });
	expect(other.message).toContain('line 4, column 3');
	const ours = await refusal(`-- Lifeboat full backup\n${FIRST}  DETACH live;\n${LAST}`);
	expect(ours).toMatchObject({ code: 'statement_not_allowed' });
	expect(ours.message).toContain('line 5, column 3');
	expect(ours.message).toContain('DETACH is not allowed');
});

test('numbers that nobody can count to are not counted', () => {
	const joined = `(SELECT CAST(group_concat(value,'') AS TEXT) FROM "lifeboat_scratch" WHERE id BETWEEN 1 AND ${'9'.repeat(30)})`;
	const sql = `-- Lifeboat full backup\nCREATE TABLE t (a);\nINSERT INTO "t" ("a") VALUES (${joined});\n${LAST}`;
	writeFileSync(path, sql);
	const command = join(import.meta.dirname, '../commands/restore.ts');
	const words = [command, path, '--unsigned', '--to', join(folder, 'restored.db'), '--json'];
	const { stdout, status } = spawnSync(process.execPath, words, { timeout: 30_000 });
	expect([status, JSON.parse(String(stdout) || '{}')]).toMatchObject([
		1,
		{ code: 'backup_differs' },
	]);
});

test('statements after the last line of a backup are refused', async () => {
	const found = await refusal(`-- Lifeboat full backup\n${FIRST}${LAST}DROP TABLE t;\n`);
	expect(found).toMatchObject({ code: 'sql_incomplete', exit: 1 });
});

test('a guarded connection of a target refuses them too', () => {
	using connection = new DatabaseSync(':memory:');
	const guard = new Guard(connection);
	expect(() => connection.exec(`ATTACH 'away/new.db' AS x`)).toThrow('not authorized');
	expect(guard.refused).toBe('ATTACH');
	expect(() => connection.prepare(`SELECT load_extension('x')`)).toThrow('not authorized');
	expect(() => connection.exec(`VACUUM INTO 'away/copy.db'`)).toThrow();
	connection.exec('CREATE TABLE t (a); PRAGMA user_version=3');
	guard.run('VACUUM');
	expect(readdirSync(away)).toEqual([]);
});
