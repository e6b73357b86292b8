import { chmodSync, closeSync, existsSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { printOrphans, readOrphans } from '../../lib/server/backup/restore/orphans.ts';
import { LifeboatError } from '../../lib/server/errors.ts';
import type { Context } from '../terminal/command.ts';
import { EmbeddedDatabase } from '../embedded/database.ts';
import { configuredId } from '../embedded/configured.ts';
import { Guard } from '../embedded/guard.ts';
import { fileOf } from '../embedded/file.ts';
import { DetailedError } from '../terminal/errors.ts';
import { STATE } from '../embedded/state.ts';
import { shellWord } from '../terminal/text.ts';
import {
	countRows,
	keepInFile,
	lookInto,
	namesIn,
	restoreDatabase,
	restoreRows,
	UNCHANGED,
} from './d1.ts';
import { busy, isBusy, openToRead, SqliteDatabase } from '../embedded/sqlite-database.ts';
import { identityOption } from './kept.ts';
import type { Plan, Target } from './target.ts';

/** How long the app may hold the database. */
const BUSY_TIMEOUT_MS = 10_000;
/** Only the owner has access to what the database holds. */
const FOLDER_MODE = 0o700;
const MODE = 0o600;

/**
 * An embedded database of wrangler's configuration, in the default folder or another one. It is an SQLite
 * file: its contents are saved and replaced in one transaction, which is faster than through workerd
 * and leaves nothing behind when it fails or is killed. The rows are then counted by workerd's D1.
 */
export function openLocal(folder: string | undefined, context: Context, binding?: string): Target {
	const persistTo = folder ?? STATE;
	const word = folder === undefined ? 'local' : `local:${folder}`;
	const options = binding === undefined ? '' : ` --binding ${shellWord(binding)}`;
	const title = `the local database in ${persistTo}`;
	let started: EmbeddedDatabase | null = null;
	/** Starts workerd, which a look at the tables must not do: it writes into the folder. */
	const embedded = () =>
		(started ??= new EmbeddedDatabase({ kind: 'configured', persistTo, binding }));
	/** The transaction in which the contents were saved. */
	let held: DatabaseSync | null = null;
	const begin = async () => (held ??= beginTransaction(await embedded().file, title));
	return {
		name: 'local',
		title,
		kind: 'd1',
		async contents() {
			const path = await embedded().file;
			if (!existsSync(path)) return [];
			using connection = open(path);
			return await namesIn(new SqliteDatabase(connection));
		},
		async look() {
			const path = fileOf(persistTo, await configuredId(binding));
			if (!existsSync(path)) return { names: [], tables: [] };
			using connection = openToRead(path);
			return await lookInto(new SqliteDatabase(connection));
		},
		async keep() {
			const file = await keepInFile(new SqliteDatabase(await begin()), context);
			const undo = `npm run restore -- ${file} --to ${shellWord(word)}${options} --replace`;
			return { file, undo: undo + identityOption(file) };
		},
		async restore(plan) {
			using connection = await begin(); // closing it without a COMMIT rolls everything back
			held = null;
			await restoreWithin(connection, plan);
		},
		recover: async () => UNCHANGED,
		count: (tables) => countRows(embedded(), tables),
	};
}

/** Begins a transaction that keeps out other writers. Throws `target_busy` (409). */
function beginTransaction(path: string, title: string): DatabaseSync {
	mkdirSync(dirname(path), { recursive: true, mode: FOLDER_MODE });
	closeSync(openSync(path, 'a', MODE));
	chmodSync(path, MODE); // another program may have made it; SQLite's logs get the same mode
	const connection = open(path);
	try {
		connection.exec('PRAGMA journal_mode=WAL'); // as workerd has it
		connection.exec('BEGIN IMMEDIATE');
		return connection;
	} catch (error) {
		connection.close();
		throw isBusy(error) ? busy(title) : error;
	}
}

async function restoreWithin(connection: DatabaseSync, plan: Plan): Promise<void> {
	const database = new SqliteDatabase(connection);
	new Guard(connection);
	const { tables } = plan;
	if (tables === null) await restoreDatabase(database, plan);
	else await restoreRows(database, { ...plan, tables }, { within: true });
	try {
		connection.exec('COMMIT');
	} catch (error) {
		const orphans = await readOrphans(database, sleep);
		throw new DetailedError(brokenReferences(error), printOrphans(orphans));
	}
}

function open(path: string): DatabaseSync {
	return new DatabaseSync(path, {
		timeout: BUSY_TIMEOUT_MS,
		enableForeignKeyConstraints: true, // as in D1
		enableDoubleQuotedStringLiterals: true,
	});
}

function brokenReferences(cause: unknown): LifeboatError {
	return new LifeboatError('Rows of the backup refer to rows that do not exist.', {
		code: 'restore_refused',
		status: 422,
		hint: 'Restore the tables that refer to each other together, or use another backup.',
		cause,
	});
}
