import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { compareDatabases } from '../src/cli/demo/compare.ts';
import { openDatabase } from '../src/cli/demo/database.ts';
import { EmbeddedDatabase } from '../src/cli/embedded/database.ts';
import { keepDatabase } from '../src/cli/targets/keep.ts';
import { Progress } from '../src/cli/terminal/progress.ts';

// An operator in front of a terminal, for tests of the commands.

const ROOT = join(import.meta.dirname, '..');

/** How a command ended. */
export interface Ended {
	code: number | null;
	stdout: string;
	stderr: string;
}

/** A folder with all of the project but its state and secrets. */
export function projectFolder(): string {
	const folder = mkdtempSync(join(tmpdir(), 'lifeboat-operator-'));
	const kept = ['.env', '.dev.vars', '.git', '.wrangler'];
	for (const name of readdirSync(ROOT)) {
		if (!kept.includes(name)) symlinkSync(join(ROOT, name), join(folder, name));
	}
	return folder;
}

/** Removes such a folder, also while a process that was killed still lets go of it. */
export function removeFolder(folder: string): void {
	rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
}

/**
 * Runs such a command of `npm run` in a folder; with `killAfter` it is killed after so many
 * milliseconds, which no program can answer.
 */
export async function operate(
	cwd: string,
	command: 'restore' | 'drill' | 'doctor',
	args: string[],
	{ env = {}, killAfter }: { env?: NodeJS.ProcessEnv; killAfter?: number } = {},
): Promise<Ended> {
	const script = join(ROOT, `src/cli/commands/${command}.ts`);
	const child = spawn(process.execPath, [script, ...args], {
		cwd,
		env: { ...process.env, ...env },
		stdio: ['ignore', 'pipe', 'pipe'],
	});
	if (killAfter !== undefined) {
		void sleep(killAfter).then(() => child.kill('SIGKILL'));
	}
	const [stdout, stderr, [code]] = await Promise.all([
		text(child.stdout),
		text(child.stderr),
		once(child, 'close') as Promise<[number | null]>,
	]);
	return { code, stdout, stderr };
}

/** Runs statements in the embedded database in a folder, in one transaction. */
export async function runLocally(persistTo: string, ...statements: string[]): Promise<unknown[]> {
	await using database = new EmbeddedDatabase({ kind: 'configured', persistTo });
	const { results } = await database.batch(statements);
	return results.map((result) => result.results);
}

/** Writes the embedded database in a folder into an SQL file, as a backup does. */
export async function dumpLocally(persistTo: string, path: string): Promise<void> {
	await using database = new EmbeddedDatabase({ kind: 'configured', persistTo });
	const signal = new AbortController().signal;
	await keepDatabase(database, path, { signal, progress: new Progress() });
}

/** What differs between the embedded databases in two folders, by queries of another author. */
export async function localDifferences(before: string, after: string): Promise<string[]> {
	await using was = await openDatabase(before);
	await using is = await openDatabase(after);
	return (await compareDatabases(was.database, is.database)).differences;
}

/** What Debian's sqlite3 prints. Throws when it says that something is wrong. */
export function sqlite3(path: string, input: string): string {
	const { stdout, stderr } = spawnSync('sqlite3', ['-bail', path], { input, encoding: 'utf8' });
	if (stderr) throw new Error(stderr);
	return stdout.trim();
}
