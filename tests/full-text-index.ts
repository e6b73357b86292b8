import type { D1Database } from '@cloudflare/workers-types';
import { identifier } from './databases/sql.ts';

/** The rows of a query as lists, or SQLite's reason to refuse it. */
export async function rowsOrRefusal(database: D1Database, sql: string): Promise<unknown> {
	try {
		return await database.prepare(sql).raw();
	} catch (error) {
		return String(error).replace(/ at offset \d+/, '');
	}
}

/**
 * All that is in the index of an FTS5 table: each term with its rows, columns and places, the sums of
 * their sizes, and the sizes of each row.
 */
export async function readIndex(
	database: D1Database,
	name: string,
): Promise<Record<'terms' | 'averages' | 'sizes', unknown>> {
	const shadow = (suffix: string) => identifier(`${name}_${suffix}`);
	const [, terms, , averages] = await database.batch(
		[
			`CREATE VIRTUAL TABLE vocabulary USING fts5vocab(${identifier(name)}, instance)`,
			'SELECT doc, col, offset, hex(term) AS term FROM vocabulary ORDER BY 1, 2, 3, 4',
			'DROP TABLE vocabulary',
			// Nothing was ever counted, or all of it is gone.
			`SELECT iif(trim(hex(block), '0') = '', '', hex(block)) AS averages FROM ${shadow('data')} WHERE id = 1`,
		].map((sql) => database.prepare(sql)),
	);
	const sizes = await rowsOrRefusal(database, `SELECT id, hex(sz) FROM ${shadow('docsize')}`);
	return { terms: terms?.results, averages: averages?.results, sizes };
}
