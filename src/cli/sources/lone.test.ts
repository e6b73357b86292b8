import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import type { RequestListener } from 'node:http';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { dumpOf, operate, projectFolder, removeFolder, sqlite3 } from '../../../tests/operator.ts';
import { manifestOf, NAME, titled, writeSigned } from '../../../tests/signed-backup.ts';
import { json, listen, type Request } from '../../../tests/stand-in.ts';
import { printManifest } from '../../lib/server/backup/format/manifest.ts';
import { manifestKey } from '../../lib/server/backup/format/names.ts';
import { SqliteFile } from '../targets/sqlite.ts';
import { type DetailedError, exitCode } from '../terminal/errors.ts';
import { Progress } from '../terminal/progress.ts';
import { openBackup } from './files.ts';
import { verifyBackup } from './verify.ts';

// Files without a manifest: those that call themselves backups of Lifeboat are not believed.

const MAC_KEY = 'a secret of the tests, long enough';
const TOTP_SECRET = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ';
const start = process.cwd();

let project: string;
/** The SQL of a backup, and of one that somebody has planted. */
let sql: Buffer;
let planted: Buffer;
/** A folder for each test. */
let folder: string;

beforeAll(async () => {
	project = projectFolder();
	process.chdir(project);
	const dump = async (name: string, users: string) => {
		const table = 'CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT, admin INTEGER)';
		return titled(await dumpOf(join(project, name), table, `INSERT INTO users VALUES ${users}`));
	};
	sql = await dump('original', `(1, 'ann', 1), (2, 'bob', 0)`);
	planted = await dump('other', `(1, 'ann', 1), (2, 'bob', 1)`);
});
afterAll(() => {
	process.chdir(start);
	removeFolder(project);
});
beforeEach(() => {
	folder = join(project, `folder-${Math.random()}`);
	mkdirSync(folder);
});
afterEach(() => {
	vi.unstubAllEnvs();
	removeFolder(folder);
});

const target = () => join(folder, 'restored.db');
const admins = () => sqlite3(target(), 'SELECT name FROM users WHERE admin ORDER BY id');

class Told extends Progress {
	readonly told: string[] = [];
	override step(): void {}
	override note(text: string): void {
		this.told.push(text);
	}
}

/** Restores a file as the command does, with its words. Returns its exit code, and the error or ''. */
async function use(path: string, words: string[] = [], settings: Record<string, string> = {}) {
	rmSync(target(), { force: true });
	const env = { BACKUP_MAC_KEY: MAC_KEY, TOTP_SECRET, BACKUP_URL: '', ...settings };
	for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
	const progress = new Told();
	const context = { signal: new AbortController().signal, progress };
	const [, from] = words[0] === '--from' ? words : [];
	try {
		const keys = { unsigned: words.includes('--unsigned') };
		const backup = await openBackup(path, keys, context, from);
		const survey = await verifyBackup(backup, context);
		const plan = { sql: backup.sql, survey, tables: null, kept: null, header: null };
		await new SqliteFile(target()).restore({ ...plan, onProgress: () => {} });
		return { code: 0, error: '', told: progress.told.join() };
	} catch (error) {
		const { code, details } = error as DetailedError;
		expect(existsSync(target())).toBe(false);
		return {
			code: exitCode(error as DetailedError),
			error: code,
			details,
			told: progress.told.join(),
		};
	}
}

const WARNING = 'Warning: nothing proves where ';

describe('a file that calls itself a backup of Lifeboat', () => {
	test.for<[string, string, () => Buffer]>([
		['by its name', `${NAME}.sql`, () => planted],
		['by its name, as browsers save it', `${NAME.replaceAll(':', '-')}.sql`, () => planted],
		['by its name, compressed', `${NAME}.sql.gz`, () => gzipSync(planted)],
		['by its name alone', `${NAME}.sql`, () => Buffer.from('CREATE TABLE users (admin);')],
		['by its first line', 'backup.sql', () => planted],
		['by its first line, compressed', 'backup.gz', () => gzipSync(planted)],
		[
			'by a first line of its own',
			'x.sql',
			() => Buffer.from(planted.toString().replace(/DB.*/, 'x')),
		],
	])('%s is refused without a manifest, unless --unsigned is given', async ([, name, content]) => {
		const path = join(folder, name);
		writeFileSync(path, content());
		expect(await use(path)).toMatchObject({ code: 2, error: 'manifest_missing', details: [] });
		const accepted = await use(path, ['--unsigned']);
		expect(accepted).toMatchObject({ code: 0, told: expect.stringContaining(WARNING) });
	});

	test('is verified by the manifest beside it, whatever its name', async () => {
		const volume = await writeSigned(folder, sql, MAC_KEY);
		const renamed = [join(folder, 'backup.sql'), join(folder, 'backup.gz')] as const;
		renameSync(volume, renamed[1]);
		writeFileSync(renamed[0], sql);
		for (const path of renamed) {
			const { code, told } = await use(path);
			expect([code, told]).toEqual([0, expect.not.stringContaining('Warning')]);
			expect(admins()).toBe('ann');
		}
		writeFileSync(renamed[0], planted);
		expect(await use(renamed[0])).toMatchObject({ code: 1, error: 'backup_differs' });
	});

	test.for(['restore', 'drill'] as const)('is refused by npm run %s too', async (command) => {
		const path = join(folder, 'backup.sql');
		writeFileSync(path, planted);
		const words = command === 'drill' ? ['--file', path] : [path, '--to', target()];
		for (const [unsigned, code] of [[[], 2] as const, [['--unsigned'], 0] as const]) {
			const ended = await operate(project, command, [...words, ...unsigned, '--json'], {
				env: { BACKUP_MAC_KEY: MAC_KEY },
			});
			expect([ended.code, JSON.parse(ended.stdout).code]).toEqual([
				code,
				code === 2 ? 'manifest_missing' : undefined,
			]);
			expect(existsSync(target())).toBe(code === 0 && command === 'restore');
		}
	});

	describe('is verified by the manifest of the app', () => {
		/** An app with a manifest. */
		async function manifestBy(macKey: string): Promise<RequestListener> {
			const manifest = printManifest(await manifestOf(sql, gzipSync(sql), macKey));
			return (_, response) => void response.end(manifest);
		}

		test.for(['full name', 'backup.sql'])('with the %s', async (name) => {
			const requests: Request[] = [];
			await using app = await listen(await manifestBy(MAC_KEY), requests);
			const path = join(folder, name === 'backup.sql' ? name : `${NAME}.sql`);
			writeFileSync(path, sql);
			expect(await use(path, ['--from', app.url])).toMatchObject({ code: 0 });
			expect(admins()).toBe('ann');
			expect(await use(path, [], { BACKUP_URL: app.url })).toMatchObject({ code: 0 });
			const url = `/api/backup/${manifestKey(NAME)}`;
			expect(requests.map((request) => request.url)).toEqual([url, url]);
		});

		test('which somebody else has signed', async () => {
			await using app = await listen(await manifestBy('the secret of somebody else, as long'));
			writeFileSync(join(folder, 'backup.sql'), sql);
			const ended = await use(join(folder, 'backup.sql'), ['--from', app.url]);
			expect(ended).toMatchObject({ code: 2, error: 'manifest_forged' });
		});

		test('which does not have it', async () => {
			const answer = { error: 'No such backup.', code: 'backup_not_found', hint: '' };
			await using app = await listen(json(404, answer));
			const path = join(folder, `${NAME}.sql`);
			writeFileSync(path, sql);
			expect(await use(path, ['--from', app.url])).toMatchObject({
				...{ code: 2, error: 'manifest_missing' },
				details: ['It could not be fetched: No such backup.'],
			});
			expect(await use(path, ['--from', app.url, '--unsigned'])).toMatchObject({ code: 0 });
		});
	});
});

describe('the warning that nothing proves where a file is from', () => {
	test.for<[string, string, () => string | Buffer]>([
		['another program', 'dump.sql', () => 'CREATE TABLE users (id, name, admin);'],
		[
			'a restore that has kept it',
			'before-restore-2026-11-25T05-34-53.525Z.sql',
			() => readFileSync(join(project, 'original.sql')),
		],
	])('is shown for a file of %s', async ([, name, content]) => {
		const path = join(folder, name);
		writeFileSync(path, content());
		expect(await use(path)).toMatchObject({ code: 0, told: expect.stringContaining(WARNING) });
	});

	test('is shown for a database', async () => {
		const path = join(folder, 'app.sqlite');
		sqlite3(path, 'CREATE TABLE users (id, name, admin);');
		expect(await use(path)).toMatchObject({ code: 0, told: expect.stringContaining(WARNING) });
	});
});
