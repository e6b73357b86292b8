import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { expect, vi } from 'vitest';
import { apiOf, BackupApi } from '../src/cli/client/api.ts';
import { loadSample } from '../src/cli/demo/sample.ts';
import { SqliteDatabase } from '../src/cli/embedded/sqlite-database.ts';
import { makeIdentity } from '../src/cli/secrets/identity.ts';
import { KEY_OPTIONS } from '../src/cli/secrets/keys.ts';
import { fetchBackup } from '../src/cli/sources/app.ts';
import { type Backup, isBackupName } from '../src/cli/sources/backup.ts';
import { openBackup } from '../src/cli/sources/files.ts';
import { verifyBackup } from '../src/cli/sources/verify.ts';
import { SqliteFile } from '../src/cli/targets/sqlite.ts';
import type { Context } from '../src/cli/terminal/command.ts';
import { asLifeboatError } from '../src/cli/terminal/errors.ts';
import { Progress } from '../src/cli/terminal/progress.ts';
import { type Manifest, parseManifest } from '../src/lib/server/backup/format/manifest.ts';
import { manifestKey, sliceListKey } from '../src/lib/server/backup/format/names.ts';
import { drillFile, drillFiles } from '../src/lib/server/backup/prove/drill.ts';
import { startApp } from './app/app.ts';
import { asD1, openLocalFile } from './local-database.ts';
import { dumpLocally, operate, projectFolder, removeFolder, sqlite3 } from './operator.ts';

/** The secret of the app. */
export const SECRET = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ';

/** Settings of the environment, by name. */
type Settings = Record<string, string>;

/** The checksum that Debian's sqlite3 makes of a file's contents and definitions. */
export const sum = (path: string) => sqlite3(path, '.sha3sum --schema');

const PROVEN = { proven: true, scope: 'contents' };
const start = process.cwd();

/** Remembers what it should show. */
class Told extends Progress {
	readonly told: string[] = [];
	override step(text: string): void {
		this.told.push(text);
	}
	override note(text: string): void {
		this.told.push(text);
	}
}

/** An app with the sample data, and an encrypted backup that it made. */
export class EncryptedBackup {
	readonly project = projectFolder();
	/** The state of the app, and an SQL file of its database. */
	readonly original = join(this.project, 'original');
	readonly plain = join(this.project, 'plain.sql');
	/** The files of the backup. */
	readonly files = join(this.project, 'files');
	readonly identity = join(this.project, 'own.agekey');
	/** An identity that decrypts nothing here. */
	readonly otherIdentity = join(this.project, 'other.agekey');
	/** The checksum of what is restored. */
	expected!: string;
	recipient!: string;
	server!: Awaited<ReturnType<typeof startApp>>;
	name!: string;
	manifest!: Manifest;

	/** Starts the app, with more settings, and makes the backup. */
	async make(settings: Record<string, string> = {}): Promise<void> {
		this.recipient = await makeIdentity(this.identity, false);
		await makeIdentity(this.otherIdentity, false);
		{
			using database = openLocalFile(this.original);
			await loadSample(asD1(database));
		}
		await dumpLocally(this.original, this.plain);
		const restored = join(this.project, 'expected.db');
		sqlite3(restored, readFileSync(this.plain, 'utf8'));
		this.expected = sum(restored);
		const vars = { ...settings, TOTP_SECRET: SECRET, BACKUP_AGE_RECIPIENTS: this.recipient };
		this.server = await startApp(this.original, vars);
		await this.#backUp();
		process.chdir(this.project); // where no .env is
	}

	/** Stops the app and removes its files. */
	async remove(): Promise<void> {
		process.chdir(start);
		await this.server?.stop();
		removeFolder(this.project);
	}

	/** The names of the volumes. */
	get volumes(): string[] {
		return this.manifest.volumes.map(({ key }) => key);
	}

	/** What `age` and these programs make of its slices, as docs/restore.md says. */
	unpacked(...decompressor: [string, ...string[]]): Buffer {
		const [program, ...words] = decompressor;
		const list = readFileSync(join(this.files, sliceListKey(this.name)), 'utf8');
		const slices = list
			.trimEnd()
			.split('\n')
			.map((line) => {
				const [file = '', offset, bytes] = line.split(' ');
				const start = Number(offset);
				const input = readFileSync(join(this.files, file)).subarray(start, start + Number(bytes));
				return execFileSync('age', ['-d', '-i', this.identity], { input, maxBuffer: 1e8 });
			});
		return execFileSync(program, words, { input: Buffer.concat(slices), maxBuffer: 1e8 });
	}

	/** The settings with which a command calls the app. */
	get appEnv(): Record<string, string> {
		return { TOTP_SECRET: SECRET, BACKUP_URL: this.server.url };
	}

	/**
	 * Opens and verifies a backup as `restore` and `drill` do, with the words for them, which must be
	 * refused. Returns the error code.
	 */
	async refusal(args: string[], env: Settings): Promise<string> {
		const { code, shown } = await this.refused(args, env);
		expect(shown).not.toMatch(/AGE-SECRET-KEY|CREATE TABLE/);
		return code;
	}

	/** The same; also returns the whole error and all that was told before. */
	async refused(args: string[], env: Settings): Promise<{ code: string; shown: string }> {
		const context = contextOf();
		const opened = open(args, env, context);
		const error = await opened.then(
			() => expect.unreachable(`${args.join(' ')} was accepted`),
			asLifeboatError,
		);
		return { code: error.code, shown: JSON.stringify(error) + context.progress.told.join('\n') };
	}

	/**
	 * Restores a backup into an SQLite file in this folder, and drills it; both must succeed. Returns
	 * what was told.
	 */
	async success(target: string, args: string[], env: Settings): Promise<string> {
		const context = contextOf();
		const { backup, survey } = await open(args, env, context);
		const path = join(target, 'restored.db');
		const plan = { sql: backup.sql, survey, tables: null, kept: null, header: null };
		await new SqliteFile(path).restore({ ...plan, onProgress: () => {} });
		expect(sum(path)).toBe(this.expected);
		rmSync(path);
		using memory = new DatabaseSync(':memory:');
		const database = new SqliteDatabase(memory);
		const drilled = backup.files
			? await drillFiles(database, backup.files, { sleep })
			: await drillFile(database, backup.sql, { sleep });
		expect(drilled).toMatchObject(PROVEN);
		return context.progress.told.join('\n');
	}

	/** The same as {@link refusal} by `npm run restore` and `npm run drill`, which make nothing. */
	async refusalByCommands(target: string, args: string[], env: Settings): Promise<string> {
		const path = join(target, 'refused.db');
		const restoreArgs = [...args, '--to', path, '--json'];
		const restored = await operate(this.project, 'restore', restoreArgs, { env });
		const drilled = await operate(this.project, 'drill', [...drillArgs(args), '--json'], { env });
		const codes = [restored, drilled].map(({ stdout }) => JSON.parse(stdout).code as string);
		expect([restored.code, drilled.code, codes[1]]).toEqual([2, 2, codes[0]]);
		expect(existsSync(path)).toBe(false);
		for (const { stdout, stderr } of [restored, drilled]) {
			expect(stdout + stderr).not.toMatch(/AGE-SECRET-KEY|CREATE TABLE/);
		}
		return codes[0] ?? '';
	}

	/** The same as {@link success} by `npm run restore` and `npm run drill`. */
	async successByCommands(target: string, args: string[], env: Settings): Promise<string> {
		const path = join(target, 'restored.db');
		const restored = await operate(this.project, 'restore', [...args, '--to', path], { env });
		expect(restored).toMatchObject({ code: 0 });
		expect(sum(path)).toBe(this.expected);
		const drilled = await operate(this.project, 'drill', [...drillArgs(args), '--json'], { env });
		expect(drilled).toMatchObject({ code: 0 });
		expect(JSON.parse(drilled.stdout)).toMatchObject(PROVEN);
		rmSync(path);
		return restored.stderr + drilled.stderr;
	}

	async #backUp(): Promise<void> {
		const signal = new AbortController().signal;
		const api = new BackupApi(this.server.url, { TOTP_SECRET: SECRET }, signal);
		({ name: this.name } = await api.create());
		mkdirSync(this.files);
		const text = await api.manifest(this.name);
		this.manifest = parseManifest(text);
		writeFileSync(join(this.files, manifestKey(this.name)), text);
		const list = sliceListKey(this.name);
		writeFileSync(join(this.files, list), await api.text(list));
		for (const { key, bytes } of this.manifest.volumes) {
			await api.download(key, join(this.files, key), bytes);
		}
	}
}

function contextOf(): { signal: AbortSignal; progress: Told } {
	return { signal: new AbortController().signal, progress: new Told() };
}

/** Opens and verifies a backup as the commands do: by its name or its file, with their options. */
async function open(args: string[], env: Settings, context: Context) {
	const { values, positionals } = parseArgs({ args, options: KEY_OPTIONS, allowPositionals: true });
	const [word = ''] = positionals;
	for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
	try {
		const backup: Backup = isBackupName(word)
			? await fetchBackup(apiOf(undefined, context.signal), word, values, context)
			: await openBackup(word, values, context);
		return { backup, survey: await verifyBackup(backup, context) };
	} finally {
		vi.unstubAllEnvs();
	}
}

/** Turns the arguments of `restore` into those of `drill`, where a file needs an option. */
function drillArgs(args: string[]): string[] {
	return args[0]?.includes('/') ? ['--file', ...args] : args;
}
