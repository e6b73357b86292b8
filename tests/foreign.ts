import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { openBackup } from '../src/cli/sources/files.ts';
import { verifyBackup } from '../src/cli/sources/verify.ts';
import { SqliteFile } from '../src/cli/targets/sqlite.ts';
import type { Plan, Target } from '../src/cli/targets/target.ts';
import { Progress } from '../src/cli/terminal/progress.ts';
import { differences } from './databases/compare.ts';
import { file } from './databases/shell.ts';
import { snapshot } from './databases/snapshot.ts';

// Files of other programs, restored as `npm run restore` does, but without a process for each.

class Silent extends Progress {
	override step(): void {}
}

export const context = { signal: new AbortController().signal, progress: new Silent() };

/** What `npm run restore` does before it touches a target. */
export async function prepare(path: string, tables: string[] | null = null): Promise<Plan> {
	const backup = await openBackup(path, { unsigned: true }, context);
	const survey = await verifyBackup(backup, context);
	const header = backup.foreign?.header ?? null;
	return { sql: backup.sql, survey, tables, kept: null, header, onProgress: () => {} };
}

/** Restores a file into an SQLite file that does not exist yet. */
export async function restoreFile(path: string, database: string): Promise<void> {
	const target: Target = new SqliteFile(database);
	await target.restore(await prepare(path));
}

/** What Debian's sqlite3 makes of the same file: `sqlite3 new.db < FILE`. Throws what it prints. */
export function runShell(sql: string | Uint8Array, database: string): void {
	rmSync(database, { force: true });
	const { stderr } = spawnSync('sqlite3', [database], { input: sql, encoding: 'utf8' });
	if (stderr) throw new Error(stderr);
}

/** How the second database differs from the first, in words. */
export async function fileDifferences(expected: string, actual: string): Promise<string[]> {
	return differences(await snapshot(file(expected)), await snapshot(file(actual)));
}
