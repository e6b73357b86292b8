import { setTimeout as sleep } from 'node:timers/promises';
import type { SqlDatabase } from '../../lib/server/backup/database.ts';
import { restoreInto } from '../../lib/server/backup/restore/apply.ts';
import { clearDatabase, readContents } from '../../lib/server/backup/restore/contents.ts';
import { quoteName } from '../../lib/server/backup/restore/names.ts';
import { restoreTables } from '../../lib/server/backup/restore/tables.ts';
import type { Context } from '../command.ts';
import { keepDatabase, timeForNames } from '../keep.ts';
import type { Plan } from './target.ts';

// What all databases that the engine works on have in common: embedded, on Cloudflare, in a file.

/** Names of what is in a database, after what an unfinished restore has left is removed. */
export async function namesIn(database: SqlDatabase): Promise<string[]> {
	const { objects, unfinished } = await readContents(database, sleep);
	if (!unfinished) return objects.map(({ name }) => name);
	await clearDatabase(database, sleep);
	return [];
}

/** Writes a backup of the database into the current folder, and returns the file's name. */
export async function keepInFile(database: SqlDatabase, context: Context): Promise<string> {
	const file = `before-restore-${timeForNames()}.sql`;
	context.progress.step(`keep: what is there, in ${file}`);
	await keepDatabase(database, file, context);
	return file;
}

/** Does what the plan says; of what was not kept nothing is removed. */
export async function restoreDatabase(database: SqlDatabase, plan: Plan): Promise<void> {
	const { sql, survey, tables, kept } = plan;
	const options = {
		...{ survey, sleep },
		onProgress: ({ bytes }: { bytes: number }) => plan.onProgress(bytes),
	};
	if (tables !== null) {
		await restoreTables(database, sql, tables, options);
		return;
	}
	if (kept !== null) await clearDatabase(database, sleep);
	await restoreInto(database, sql, options);
}

/** What became of a database whose restore has failed. */
export async function stateOf(
	database: SqlDatabase,
	{ tables }: Plan,
): Promise<'unchanged' | 'empty' | 'partial'> {
	if (tables !== null) return 'unchanged';
	const { objects, unfinished } = await readContents(database, sleep);
	if (unfinished) return 'partial';
	return objects.length === 0 ? 'empty' : 'unchanged';
}

/** Rows in each of the tables. */
export async function countRows(database: SqlDatabase, tables: string[]): Promise<number[]> {
	const statements = tables.map((name) => `SELECT count(*) AS n FROM ${quoteName(name)}`);
	const { results } = await database.batch(statements);
	return results.map(({ results: rows }) => Number(rows[0]?.['n'] ?? 0));
}
