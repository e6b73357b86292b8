import { existsSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { LifeboatError } from '../../lib/server/errors.ts';
import type { Context } from '../command.ts';
import { EmbeddedDatabase } from '../embedded/database.ts';
import { shellWord } from '../text.ts';
import { countRows, keepInFile, namesIn, restoreDatabase } from './d1.ts';
import { SqliteDatabase } from './sqlite-database.ts';
import type { Plan, Target } from './target.ts';

/** Where wrangler keeps the embedded D1 when nobody says otherwise (wrangler: --persist-to). */
export const STATE = '.wrangler/state';
/** How long the app may take to let go of the database, in milliseconds. */
const BUSY_TIMEOUT_MS = 10_000;

/**
 * The embedded database `DB` of wrangler.toml, in the usual folder or in another. It is an SQLite
 * file: the restore writes into that in one transaction, which is quicker than through workerd and
 * leaves nothing when it fails or is killed. What came of it is asked of workerd's D1.
 */
export function openLocal(folder: string | undefined, context: Context): Target {
	const persistTo = folder ?? STATE;
	const word = folder === undefined ? 'local' : `local:${folder}`;
	const embedded = new EmbeddedDatabase({ kind: 'configured', persistTo });
	return {
		name: 'local',
		title: `the local database in ${persistTo}`,
		async contents() {
			const path = await embedded.file;
			if (!existsSync(path)) return [];
			using connection = open(path);
			return await namesIn(new SqliteDatabase(connection));
		},
		async keep() {
			const file = await keepInFile(embedded, context);
			return { file, undo: `npm run restore -- ${file} --to ${shellWord(word)} --replace` };
		},
		restore: async (plan) => restoreAtOnce(await embedded.file, plan),
		recover: async () => 'Nothing in it was changed.',
		count: (tables) => countRows(embedded, tables),
	};
}

async function restoreAtOnce(path: string, plan: Plan): Promise<void> {
	mkdirSync(dirname(path), { recursive: true });
	using connection = open(path); // closed without a COMMIT, it takes everything back
	connection.exec('PRAGMA journal_mode=WAL'); // as workerd has it
	connection.exec('BEGIN IMMEDIATE');
	await restoreDatabase(new SqliteDatabase(connection), plan);
	try {
		connection.exec('COMMIT');
	} catch (error) {
		throw brokenReferences(error);
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
	return new LifeboatError('Rows of the backup point at rows that are not there.', {
		code: 'restore_refused',
		status: 422,
		hint: 'Restore the tables that point at each other together, or take another backup.',
		cause,
	});
}
