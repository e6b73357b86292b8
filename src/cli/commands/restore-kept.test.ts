import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
	operate,
	projectFolder,
	removeFolder,
	runLocally,
	sqlite3,
} from '../../../tests/operator.ts';
import { makeIdentity } from '../secrets/identity.ts';

// What was there before a restore, as the command leaves it, and how it comes back.

let project: string;
let identity: string;
let env: NodeJS.ProcessEnv;
/** A folder for each test. */
let folder: string;

beforeAll(async () => {
	project = projectFolder();
	identity = join(project, 'own.agekey');
	env = { BACKUP_AGE_RECIPIENTS: await makeIdentity(identity, false), AGE_IDENTITY_FILE: '' };
	writeFileSync(join(project, 'new.sql'), 'CREATE TABLE fresh (a); INSERT INTO fresh VALUES (8);');
});
afterAll(() => removeFolder(project));
beforeEach(() => {
	folder = join(project, `folder-${Math.random()}`);
	mkdirSync(folder);
});
afterEach(() => removeFolder(folder));

interface Kept {
	file: string;
	undo: string;
}

/** Restores with these words, and returns what was kept. */
async function replace(words: string[], settings = env): Promise<Kept> {
	const ended = await operate(project, 'restore', [...words, '--json'], { env: settings });
	expect(ended).toMatchObject({ code: 0 });
	return (JSON.parse(ended.stdout) as { kept: Kept }).kept;
}

/** The words of the printed command, with this identity. */
function wordsOf({ undo }: Kept): string[] {
	expect(undo).toMatch(/^npm run restore -- .* --identity FILE$/);
	return undo.replace('npm run restore -- ', '').replace('FILE', identity).split(' ');
}

/** The files under the folder that others may read, by their modes. */
function readable(): string[] {
	return readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => {
		const found = statSync(join(folder, name));
		return found.isFile() && (found.mode & 0o077) !== 0;
	});
}

describe('with recipients', () => {
	test('a local database is kept encrypted, and the printed command takes it back', async () => {
		const to = `local:${join(folder, 'state')}`;
		runLocally(join(folder, 'state'), 'CREATE TABLE mine (a)', 'INSERT INTO mine VALUES (7)');
		const yes = ['--replace', '--yes', 'local'];
		const kept = await replace(['new.sql', '--to', to, ...yes]);
		expect(kept.file).toMatch(/^before-restore-\S+Z\.sql\.age$/);
		const sql = execFileSync('age', ['-d', '-i', identity, join(project, kept.file)]).toString();
		expect(sql).toContain('CREATE TABLE mine (a)');
		expect(statSync(join(project, kept.file)).mode & 0o777).toBe(0o600);
		expect(readable()).toEqual([]);

		await replace([...wordsOf(kept), '--yes', 'local']);
		expect(runLocally(join(folder, 'state'), 'SELECT a FROM mine')).toEqual([[{ a: 7 }]]);
	});

	test('an SQLite file is kept encrypted, and the printed command takes it back', async () => {
		const path = join(folder, 'file.db');
		sqlite3(path, 'PRAGMA user_version=3; CREATE TABLE mine (a); INSERT INTO mine VALUES (7);');
		const kept = await replace(['new.sql', '--to', path, '--replace', '--yes', 'file.db']);
		expect(sqlite3(path, 'SELECT a FROM fresh')).toBe('8');
		expect(readable()).toEqual([]);
		await replace([...wordsOf(kept), '--yes', 'file.db']);
		expect(sqlite3(path, 'PRAGMA user_version; SELECT a FROM mine')).toBe('3\n7');
		expect(readable()).toEqual([]);
	});

	test('that are not valid nothing is replaced', async () => {
		const path = join(folder, 'file.db');
		sqlite3(path, 'CREATE TABLE mine (a); INSERT INTO mine VALUES (7);');
		const words = ['new.sql', '--to', path, '--replace', '--yes', 'file.db', '--json'];
		const ended = await operate(project, 'restore', words, {
			env: { BACKUP_AGE_RECIPIENTS: 'age1x' },
		});
		expect([ended.code, JSON.parse(ended.stdout)]).toMatchObject([
			2,
			{ code: 'backup_age_recipients_invalid' },
		]);
		expect(sqlite3(path, 'SELECT a FROM mine')).toBe('7');
		expect(readdirSync(folder)).toEqual(['file.db']);
	});
});

test('nobody else can read what a restore makes, nor what workerd makes for it', async () => {
	const plain = { ...env, BACKUP_AGE_RECIPIENTS: '' };
	const to = `local:${join(folder, 'state')}`;
	const ended = await operate(project, 'restore', ['new.sql', '--to', to], { env: plain });
	expect(ended).toMatchObject({ code: 0 });
	expect(
		await operate(project, 'restore', ['new.sql', '--to', join(folder, 'a.db')]),
	).toMatchObject({
		code: 0,
	});
	expect(readdirSync(folder, { recursive: true }).length).toBeGreaterThan(4);
	expect(readable()).toEqual([]);
});
