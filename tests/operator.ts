import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { text } from 'node:stream/consumers';
import { compareDatabases } from '../src/cli/demo/compare.ts';
import { openDatabase } from '../src/cli/demo/database.ts';
import { EmbeddedDatabase } from '../src/cli/embedded/database.ts';
import { fileOf } from '../src/cli/embedded/file.ts';
import { keepDatabase } from '../src/cli/targets/keep.ts';
import { Progress } from '../src/cli/terminal/progress.ts';

// Runs commands as an operator in a terminal would.

const ROOT = join(import.meta.dirname, '..');
/** Kills a restore at a chosen step. */
const KILLER = join(import.meta.dirname, 'kill-at.ts');

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
	command: 'restore' | 'drill' | 'doctor',
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

/** The id of the database in wrangler.toml. */
const DATABASE_ID = '00000000-0000-0000-0000-000000000000';

/**
 * Runs statements in the embedded database in a folder, in one transaction. By Node's own SQLite, because
 * workerd takes more than a second to start.
 */
export function runLocally(
	persistTo: string,
	...statements: string[]
): Record<string, unknown>[][] {
	const file = fileOf(persistTo, DATABASE_ID);
	mkdirSync(dirname(file), { recursive: true });
	using database = new DatabaseSync(file, { timeout: 10_000 });
	database.exec('PRAGMA journal_mode=WAL; BEGIN'); // as workerd has it
	const results = statements.map((sql) => database.prepare(sql).all());
	database.exec('COMMIT');
	return results.map((rows) => rows.map((row) => ({ ...row })));
}

/** Dumps the embedded database in a folder into an SQL file, as a backup does. */
export async function dumpLocally(persistTo: string, path: string): Promise<void> {
	await using database = new EmbeddedDatabase({ kind: 'configured', persistTo });
	const signal = new AbortController().signal;
	await keepDatabase(database, path, { signal, progress: new Progress() });
}

/** The differences between the embedded databases in two folders, found without the engine's queries. */
export async function localDifferences(before: string, after: string): Promise<string[]> {
	await using was = await openDatabase(before);
	await using is = await openDatabase(after);
	return (await compareDatabases(was.database, is.database)).differences;
}

/** What Debian's sqlite3 prints. Throws when it prints an error. */
export function sqlite3(path: string, input: string): string {
	const { stdout, stderr } = spawnSync('sqlite3', ['-bail', path], { input, encoding: 'utf8' });
	if (stderr) throw new Error(stderr);
	return stdout.trim();
}
