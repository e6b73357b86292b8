import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import type { D1Database } from '@cloudflare/workers-types';
import { fileOf } from '../src/cli/embedded/file.ts';

// The embedded database in a folder, by Node's own SQLite: workerd takes more than a second to start.

/** The id of the database in wrangler.toml. */
export const DATABASE_ID = '00000000-0000-0000-0000-000000000000';

/** Opens the file of a database, `DB` if left out, in a folder as `wrangler --persist-to` takes it. */
export function openLocalFile(persistTo: string, id = DATABASE_ID): DatabaseSync {
	const file = fileOf(persistTo, id);
	mkdirSync(dirname(file), { recursive: true });
	const database = new DatabaseSync(file, { timeout: 10_000 });
	database.exec('PRAGMA journal_mode=WAL'); // as workerd has it
	return database;
}

/** The part of D1's interface that the demo's sample data and comparison need. */
export function asD1(database: DatabaseSync): D1Database {
	const prepare = (sql: string, parameters: SQLInputValue[] = []) => ({
		bind: (...values: SQLInputValue[]) => prepare(sql, values),
		all: async () => ({ results: database.prepare(sql).all(...parameters) }),
		raw: async () => {
			const statement = database.prepare(sql);
			statement.setReturnArrays(true);
			return statement.all(...parameters);
		},
	});
	const batch = (statements: ReturnType<typeof prepare>[]) =>
		Promise.all(statements.map((statement) => statement.all()));
	return { prepare, batch } as unknown as D1Database;
}
