import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { BackupApi } from '../src/cli/client/api.ts';
import { openDatabase } from '../src/cli/demo/database.ts';
import { loadSample } from '../src/cli/demo/sample.ts';
import { type Server, startServer } from '../src/cli/embedded/server.ts';
import { makeIdentity } from '../src/cli/secrets/identity.ts';
import { type Manifest, parseManifest } from '../src/lib/server/backup/format/manifest.ts';
import { manifestKey } from '../src/lib/server/backup/format/names.ts';
import { encoderOf, type Encoding } from '../src/lib/server/backup/storage/codec.ts';
import { dumpLocally, operate, projectFolder, removeFolder, sqlite3 } from './operator.ts';

/** The secret of the app. */
export const SECRET = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ';

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
	recipient!: string;
	server!: Server;
	name!: string;
	manifest!: Manifest;

	/** Starts the app, with more settings, and makes the backup. */
	async make(settings: Record<string, string> = {}): Promise<void> {
		this.recipient = await makeIdentity(this.identity, false);
		await makeIdentity(this.otherIdentity, false);
		{
			await using opened = await openDatabase(this.original);
			await loadSample(opened.database);
		}
		await dumpLocally(this.original, this.plain);
		const vars = { ...settings, TOTP_SECRET: SECRET, BACKUP_AGE_RECIPIENTS: this.recipient };
		this.server = await startServer({ persistTo: this.original, vars });
		await this.#backUp();
	}

	/** Stops the app and removes its files. */
	async remove(): Promise<void> {
		await this.server?.stop();
		removeFolder(this.project);
	}

	/** The names of the volumes. */
	get volumes(): string[] {
		return this.manifest.volumes.map(({ key }) => key);
	}

	/** The settings with which a command calls the app. */
	get appEnv(): Record<string, string> {
		return { TOTP_SECRET: SECRET, BACKUP_URL: this.server.url };
	}

	/**
	 * Runs `restore` and `drill`; both must refuse and change nothing. Returns the error code. `target`
	 * is the folder they would write to.
	 */
	async refusal(target: string, args: string[], env: NodeJS.ProcessEnv): Promise<string> {
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

	/** Runs `restore` and `drill`; both must succeed. Returns their standard error. */
	async success(target: string, args: string[], env: NodeJS.ProcessEnv): Promise<string> {
		const path = join(target, 'restored.db');
		const restored = await operate(this.project, 'restore', [...args, '--to', path], { env });
		expect(restored).toMatchObject({ code: 0 });
		expect(sqlite3(path, 'SELECT count(*) FROM demo_orders')).toBe('1200');
		const drilled = await operate(this.project, 'drill', [...drillArgs(args), '--json'], { env });
		expect(drilled).toMatchObject({ code: 0 });
		expect(JSON.parse(drilled.stdout)).toMatchObject({ proven: true, scope: 'contents' });
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
		for (const { key, bytes } of this.manifest.volumes) {
			await api.download(key, join(this.files, key), bytes);
		}
	}
}

/** Bytes as the app stores them. */
export async function encoded(bytes: Buffer, encoding: Encoding): Promise<Buffer> {
	const encoder = encoderOf(encoding);
	return Buffer.concat([...(await encoder.push(bytes)), ...(await encoder.end())]);
}

/** Turns the arguments of `restore` into those of `drill`, where a file needs an option. */
function drillArgs(args: string[]): string[] {
	return args[0]?.includes('/') ? ['--file', ...args] : args;
}
