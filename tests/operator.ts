import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { compareDatabases } from '../src/cli/demo/compare.ts';
import { SqliteDatabase } from '../src/cli/embedded/sqlite-database.ts';
import { keepDatabase } from '../src/cli/targets/keep.ts';
import { Progress } from '../src/cli/terminal/progress.ts';
import { asD1, openLocalFile } from './local-database.ts';

// Runs commands as an operator in a terminal would.

const ROOT = join(import.meta.dirname, '..');
/** Kills a restore at a chosen step. */
const KILLER = join(import.meta.dirname, 'kill-at.ts');

/** What can be run. */
export type Command =
	| ('backup' | 'copy' | 'restore' | 'drill' | 'journal' | 'doctor' | 'unlock' | 'deploy')
	| ('prune' | 'pin' | 'delete' | 'check');

/** How a command ended. */
export interface Ended {
	code: number | null;
	stdout: string;
	stderr: string;
}

/** A folder with links to everything in the project except its state, its build and its secrets. */
export function projectFolder(): string {
	const folder = mkdtempSync(join(tmpdir(), 'lifeboat-operator-'));
	const own = ['.env', '.dev.vars', '.git', '.svelte-kit', '.wrangler', 'test-results'];
	for (const name of readdirSync(ROOT)) {
		if (!own.includes(name)) symlinkSync(join(ROOT, name), join(folder, name));
	}
	return folder;
}

/** Removes a folder, even while a killed process is still releasing it. */
export function removeFolder(folder: string): void {
	rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
}

/**
 * Runs an `npm run` command in a folder. With `killAt` it is killed at that step, counted from 1 as in
 * kill-at.ts; with 0 it only prints the number of steps.
 */
export async function operate(
	cwd: string,
	command: Command,
	args: string[],
	{ env = {}, killAt }: { env?: NodeJS.ProcessEnv; killAt?: number } = {},
): Promise<Ended> {
	const script = join(ROOT, `src/cli/commands/${command}.ts`);
	const killer = killAt === undefined ? [] : ['--import', KILLER];
	const child = spawn(process.execPath, [...killer, script, ...args], {
		cwd,
		env: { ...process.env, KILL_AT: String(killAt), ...env },
		stdio: ['ignore', 'pipe', 'pipe'],
	});
	const [stdout, stderr, [code]] = await Promise.all([
		text(child.stdout),
		text(child.stderr),
		once(child, 'close') as Promise<[number | null]>,
	]);
	return { code, stdout, stderr };
}

/** Runs statements in the embedded database in a folder, in one transaction. */
export function runLocally(
	persistTo: string,
	...statements: string[]
): Record<string, unknown>[][] {
	using database = openLocalFile(persistTo);
	database.exec('BEGIN');
	const results = statements.map((sql) => database.prepare(sql).all());
	database.exec('COMMIT');
	return results.map((rows) => rows.map((row) => ({ ...row })));
}

/** Dumps the embedded database in a folder into an SQL file, as a backup does. */
export async function dumpLocally(persistTo: string, path: string): Promise<void> {
	using database = openLocalFile(persistTo);
	const signal = new AbortController().signal;
	await keepDatabase(new SqliteDatabase(database), path, { signal, progress: new Progress() });
}

/** The SQL of a backup of what the statements make in a new folder; it is in a file beside that too. */
export async function dumpOf(folder: string, ...statements: string[]): Promise<Buffer> {
	runLocally(folder, ...statements);
	await dumpLocally(folder, `${folder}.sql`);
	return readFileSync(`${folder}.sql`);
}

/** The differences between the embedded databases in two folders, found without the engine's queries. */
export async function localDifferences(before: string, after: string): Promise<string[]> {
	using was = openLocalFile(before);
	using is = openLocalFile(after);
	return (await compareDatabases(asD1(was), asD1(is))).differences;
}

/** What Debian's sqlite3 prints. Throws when it prints an error. */
export function sqlite3(path: string, input: string): string {
	const { stdout, stderr } = spawnSync('sqlite3', ['-bail', path], { input, encoding: 'utf8' });
	if (stderr) throw new Error(stderr);
	return stdout.trim();
}
