import { setTimeout as sleep } from 'node:timers/promises';
import {
	requireSame,
	requireSameRows,
	type RestoredRows,
} from '../../lib/server/backup/prove/compare.ts';
import type { SqlDatabase } from '../../lib/server/backup/database.ts';
import { type RestoreOptions, restoreInto } from '../../lib/server/backup/restore/apply.ts';
import { requireNotRunning } from '../../lib/server/backup/restore/claimable.ts';
import { readContents } from '../../lib/server/backup/restore/contents.ts';
import { quoteName } from '../../lib/server/backup/sql.ts';
import type { Stage } from '../../lib/server/backup/restore/staging.ts';
import { restoreTables } from '../../lib/server/backup/restore/tables.ts';
import { LifeboatError } from '../../lib/server/errors.ts';
import type { Context } from '../terminal/command.ts';
import { keepDatabase, keptName } from './keep.ts';
import { keptRecipients } from './kept.ts';
import type { Look, Plan, TargetTable } from './target.ts';

/** The state of a target that the restore has not touched. */
export const UNCHANGED = 'Nothing in it was changed.';
/** Errors of a restore that was refused before it touched anything. */
const REFUSALS = ['restore_running', 'target_not_empty', 'name_taken', 'table_unknown'];

/** The names of all objects in a database. Throws `restore_running` (409) during another restore. */
export async function namesIn(database: SqlDatabase): Promise<string[]> {
	const contents = await readContents(database, sleep);
	requireNotRunning(contents);
	return contents.objects.map(({ name }) => name);
}

/** What is in a database. Throws `restore_running` (409) during another restore. */
export async function lookInto(database: SqlDatabase): Promise<Look> {
	const contents = await readContents(database, sleep);
	requireNotRunning(contents);
	const tables: TargetTable[] = [];
	for (const { name, type } of contents.objects) {
		if (type !== 'table') continue;
		// Not every virtual table can be read.
		const [rows = null] = await countRows(database, [name]).catch(() => []);
		tables.push({ name, rows });
	}
	return { names: contents.objects.map(({ name }) => name), tables };
}

/**
 * Writes a backup of the database into the current folder, encrypted if the app's backups are, and returns
 * the file's name. Throws what {@link keptRecipients} and {@link keepDatabase} throw.
 */
export async function keepInFile(database: SqlDatabase, context: Context): Promise<string> {
	const recipients = keptRecipients();
	const file = keptName(recipients);
	context.progress.step(`keep: the current contents, in ${file}`);
	await keepDatabase(database, file, context, recipients);
	return file;
}

/** A plan's options for the engine, which removes only what has been kept. */
export function optionsOf({ survey, kept, onProgress }: Plan): RestoreOptions {
	return {
		survey,
		sleep,
		replace: kept !== null,
		onProgress: ({ bytes }) => onProgress(bytes, 'restore'),
	};
}

/** Restores a whole backup, and compares the database with it. */
export async function restoreDatabase(database: SqlDatabase, plan: Plan): Promise<void> {
	await restoreInto(database, plan.sql, optionsOf(plan));
	await compareDatabase(database, plan);
}

/** Compares a restored database with what its backup says; files of other tools say nothing. */
export async function compareDatabase(
	database: SqlDatabase,
	{ survey: { core }, onProgress }: Plan,
): Promise<void> {
	if (core === null) return;
	await requireSame(database, core, sleep, (bytes) => onProgress(bytes, 'compare'));
}

/**
 * Restores the rows of some tables, and compares them with the backup. `within` a transaction, or a
 * file that nobody else sees, the tables themselves are compared at the end; otherwise the staged rows
 * are, before anything is changed.
 */
export async function restoreRows(
	database: SqlDatabase,
	plan: Plan & { tables: string[] },
	{ within }: { within: boolean },
): Promise<void> {
	const { sql, tables } = plan;
	let staged: Stage[] = [];
	const inspect = async (stages: Stage[]) => {
		staged = stages;
		if (!within) await compareRows(database, plan, stages);
	};
	await restoreTables(database, sql, tables, { ...optionsOf(plan), inspect });
	if (!within) return;
	const columnsOf = (table: string) => staged.find((stage) => stage.table === table)?.columns;
	const restored = tables.map((table) => ({ table, name: table, columns: columnsOf(table) }));
	await compareRows(database, plan, restored);
}

async function compareRows(
	database: SqlDatabase,
	{ survey: { core }, tables, onProgress }: Plan,
	restored: RestoredRows[],
): Promise<void> {
	const has = (name: string) => restored.some(({ table }) => table === name);
	const expected = (core?.tables ?? [])
		.filter(({ name }) => tables?.includes(name))
		.filter(({ name, rows }) => rows > 0 || has(name));
	const found = restored.filter(({ table }) => expected.some(({ name }) => name === table));
	const tell = (bytes: number) => onProgress(bytes, 'compare');
	await requireSameRows(database, expected, found, sleep, tell);
}

/** The state of a database after a restore failed with this error, in a sentence. */
export async function stateOf(
	database: SqlDatabase,
	{ tables }: Plan,
	error: unknown,
): Promise<string> {
	const code = error instanceof LifeboatError ? error.code : '';
	if (tables !== null || REFUSALS.includes(code)) return UNCHANGED;
	if (code === 'restore_differs') return 'It holds what was restored, including the differences.';
	const { objects, marker } = await readContents(database, sleep);
	if (objects.length === 0) return 'It is empty.';
	if (marker !== null || code === 'restore_disturbed') return 'It holds a part of the backup.';
	return UNCHANGED;
}

/** The number of rows in each of the tables. */
export async function countRows(database: SqlDatabase, tables: string[]): Promise<number[]> {
	const statements = tables.map((name) => `SELECT count(*) AS n FROM ${quoteName(name)}`);
	const { results } = await database.batch(statements);
	return results.map(({ results: rows }) => Number(rows[0]?.['n'] ?? 0));
}
