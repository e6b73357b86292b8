import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest';
import { BackupApi } from '../src/cli/client/api.ts';
import { App } from './app/app.ts';
import { forgetCodes } from './app/bucket.ts';
import { type Ended, operate, projectFolder, removeFolder } from './operator.ts';

// A real app with three backups, and a folder for each test to copy them into.

const SECRET = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ';

/** A backup in the answer of `npm run copy -- --json`. */
export interface Line {
	backup: string;
	bytes: number | null;
	checked: string | null;
	result: string;
	details: string[];
}

/** The backups in what the command printed. */
export function linesIn(stdout: string): Line[] {
	return (JSON.parse(stdout) as { backups: Line[] }).backups;
}

/** The name and the result of each. */
export function resultsIn(stdout: string): string[][] {
	return linesIn(stdout).map(({ backup, result }) => [backup, result]);
}

/** The volume of a backup of this app. */
export const volumeOf = (name: string) => `${name}.sql.gz`;

/** Bytes with one of them changed. */
export function flipped(bytes: Buffer): Buffer {
	const changed = Buffer.from(bytes);
	changed.writeUInt8(changed.readUInt8(100) ^ 1, 100);
	return changed;
}

/** An app whose backups are copied; make it once in a file of tests. */
export class CopiedApp {
	readonly app = new App();
	readonly project = projectFolder();
	/**
	 * The names of its backups in the order in which they are copied: the full one, then two differentials
	 * that rest on it, newest first. The newest has a proof.
	 */
	names: [string, string, string] = ['', '', ''];
	/** The folder of the test, which does not exist yet. */
	folder = '';

	constructor() {
		beforeAll(() => this.#make());
		afterAll(async () => {
			await this.app.stop();
			removeFolder(this.project);
		});
		beforeEach(() => void (this.folder = join(this.project, `copies-${Math.random()}`)));
		afterEach(() => rmSync(this.folder, { recursive: true, force: true }));
	}

	/** The settings with which a command calls the app. */
	get env(): Record<string, string> {
		return { TOTP_SECRET: SECRET, BACKUP_URL: this.app.url };
	}

	get api(): BackupApi {
		return new BackupApi(this.app.url, { TOTP_SECRET: SECRET }, new AbortController().signal);
	}

	command(name: 'copy' | 'drill', ...args: string[]): Promise<Ended> {
		return operate(this.project, name, args, { env: this.env });
	}

	/** Copies into the folder; returns the exit code, and the result of each backup. */
	async copy(...args: string[]): Promise<{ code: number | null; results: string[][] }> {
		const { code, stdout } = await this.command('copy', '--to', this.folder, '--json', ...args);
		return { code, results: resultsIn(stdout) };
	}

	/** The same result for every backup. */
	all(result: string): string[][] {
		return this.names.map((name) => [name, result]);
	}

	/** The files of the folder by name, without what killed runs have left. */
	contents(): Map<string, string> {
		const files = readdirSync(this.folder).filter((name) => !name.startsWith('lifeboat-'));
		return new Map(files.map((name) => [name, readFileSync(join(this.folder, name), 'latin1')]));
	}

	async #make(): Promise<void> {
		await this.app.start({ TOTP_SECRET: SECRET });
		for (let i = 0; i < 3; i++) {
			await forgetCodes(this.app.folder);
			await this.api.create();
		}
		await forgetCodes(this.app.folder);
		expect(await this.command('drill', 'latest', '--record')).toMatchObject({ code: 0 });
		const backups = await this.api.list();
		const [newest = '', older = '', full = ''] = backups.map(({ name }) => name);
		expect(backups.map(({ parent }) => parent)).toEqual([full, full, null]);
		this.names = [full, newest, older];
	}
}
