import { execFileSync, spawnSync } from 'node:child_process';
import fs, {
	existsSync,
	mkdtempSync,
	readdirSync,
	readFileSync,
	rmSync,
	statSync,
	truncateSync,
	writeFileSync,
} from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { prepare, restoreFile } from '../../../tests/foreign.ts';
import { sqlite3 } from '../../../tests/operator.ts';
import { makeIdentity } from '../secrets/identity.ts';
import { identityOption, writeKept } from './kept.ts';
import { SqliteFile } from './sqlite.ts';

// What a restore keeps: encrypted where backups are, private, and complete before anything is replaced.

const home = mkdtempSync(join(tmpdir(), 'lifeboat-kept-'));
const identity = join(home, 'own.agekey');
let recipient: string;
/** A folder for each test. */
let folder: string;

beforeAll(async () => void (recipient = await makeIdentity(identity, false)));
beforeEach(() => {
	folder = mkdtempSync(join(home, 'test-'));
	vi.stubEnv('BACKUP_AGE_RECIPIENTS', recipient);
	vi.stubEnv('AGE_IDENTITY_FILE', '');
});
afterEach(() => void vi.unstubAllEnvs());
afterAll(() => rmSync(home, { recursive: true }));

const opened = (path: string) => execFileSync('age', ['-d', '-i', identity, path]);
const mode = (path: string) => statSync(path).mode & 0o777;
async function* chunks(...texts: string[]): AsyncGenerator<Uint8Array> {
	for (const text of texts) yield Buffer.from(text);
}

describe('a file', () => {
	const path = () => join(folder, 'kept.sql.age');

	test('is private, and age opens it', async () => {
		await writeKept(path(), chunks('a', 'b'.repeat(200_000)), [recipient]);
		expect(opened(path()).toString()).toBe(`a${'b'.repeat(200_000)}`);
		expect(mode(path())).toBe(0o600);
	});

	test('is plain without recipients', async () => {
		await writeKept(path(), chunks('a', 'b'), []);
		expect(readFileSync(path(), 'utf8')).toBe('ab');
	});

	test('is removed if its source fails', async () => {
		async function* failing() {
			yield* chunks('a');
			throw new Error('read error');
		}
		await expect(writeKept(path(), failing(), [recipient])).rejects.toThrow('read error');
		expect(readdirSync(folder)).toEqual([]);
	});

	test('is removed if the disk does not hold what was written', async () => {
		async function* losing() {
			yield* chunks('a'.repeat(200_000));
			truncateSync(path());
			yield* chunks('b');
		}
		await expect(writeKept(path(), losing(), [])).rejects.toMatchObject({
			code: 'kept_incomplete',
		});
		expect(readdirSync(folder)).toEqual([]);
	});

	test('never replaces another', async () => {
		writeFileSync(path(), 'mine');
		await expect(writeKept(path(), chunks('a'), [])).rejects.toThrow('EEXIST');
		expect(readFileSync(path(), 'utf8')).toBe('mine');
	});

	test('needs an identity to be taken back, unless a setting names it', () => {
		expect([identityOption('a.sql'), identityOption('a.sql.age')]).toEqual([
			'',
			' --identity FILE',
		]);
		vi.stubEnv('AGE_IDENTITY_FILE', identity);
		expect(identityOption('a.sql.age')).toBe('');
	});
});

describe('an SQLite file that is replaced', () => {
	const path = () => join(folder, 'file.db');
	/** Replaces it, and returns what was kept. */
	async function replace(between = () => {}) {
		const sql = join(folder, 'new.sql');
		writeFileSync(sql, 'CREATE TABLE fresh (a); INSERT INTO fresh VALUES (8);');
		const target = new SqliteFile(path());
		await target.contents();
		const kept = await target.keep();
		const plan = await prepare(sql);
		between();
		await target.restore({ ...plan, kept });
		expect(sqlite3(path(), 'SELECT a FROM fresh')).toBe('8');
		return kept;
	}
	const make = () => sqlite3(path(), 'CREATE TABLE mine (a); INSERT INTO mine VALUES (7);');

	test('is kept encrypted with every byte, and restore opens it', async () => {
		make();
		const before = readFileSync(path());
		const { file, undo } = await replace();
		expect(undo).toBe(`npm run restore -- ${file} --to ${path()} --replace --identity FILE`);
		expect(file).toMatch(/file\.db\.before-\S+Z\.age$/);
		expect(opened(file).equals(before)).toBe(true);
		expect(readFileSync(file, 'latin1')).not.toContain('SQLite format');

		vi.stubEnv('AGE_IDENTITY_FILE', identity);
		await restoreFile(file, join(folder, 'again.db'));
		expect(sqlite3(join(folder, 'again.db'), 'SELECT a FROM mine')).toBe('7');
	});

	test.for(['encrypted', 'plain'])(
		'is private afterwards, and so is what is kept: %s',
		async (how) => {
			if (how === 'plain') vi.stubEnv('BACKUP_AGE_RECIPIENTS', '');
			make();
			expect(mode(path())).not.toBe(0o600);
			const { file } = await replace();
			expect([mode(file), mode(path())]).toEqual([0o600, 0o600]);
		},
	);

	test('stays as it is if it cannot be kept', async () => {
		make();
		const before = readFileSync(path());
		const target = new SqliteFile(path());
		await target.contents();
		const kept = await target.keep();
		writeFileSync(kept.file, 'in the way');
		writeFileSync(join(folder, 'new.sql'), 'CREATE TABLE fresh (a);');
		const plan = await prepare(join(folder, 'new.sql'));
		await expect(target.restore({ ...plan, kept })).rejects.toThrow('EEXIST');
		expect(readFileSync(path()).equals(before)).toBe(true);
	});

	test('is not written to between its copy and its replacement', async () => {
		make();
		const { renameSync } = fs;
		let told = '';
		fs.renameSync = (from, to) => {
			const insert = 'INSERT INTO mine VALUES (9);';
			told = spawnSync('sqlite3', [path()], { input: insert, encoding: 'utf8' }).stderr;
			renameSync(from, to);
		};
		syncBuiltinESMExports();
		try {
			await replace();
		} finally {
			fs.renameSync = renameSync;
			syncBuiltinESMExports();
		}
		expect(told).toContain('database is locked');
	});

	test('is kept with its logs if SQLite cannot read it', async () => {
		writeFileSync(path(), 'no database');
		writeFileSync(`${path()}-journal`, 'no journal');
		const { file, undo } = await replace();
		expect(undo).toBe(`age -d -i FILE -o ${path()} ${file}`);
		expect(opened(file).toString()).toBe('no database');
		expect(opened(file.replace(/\.age$/, '-journal.age')).toString()).toBe('no journal');
		expect(existsSync(`${path()}-journal`)).toBe(false);
	});
});
