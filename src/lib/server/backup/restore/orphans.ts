import type { Sleep } from '../../retry.ts';
import { retrying, type Row, type SqlDatabase } from '../database.ts';
import { notOfD1, quoteName, quoteText } from '../sql.ts';

/** Rows that refer to a row that does not exist. */
export interface Orphans {
	/** Sentences about the first of them, each with table, rowid and foreign key. */
	sentences: string[];
	/** Whether there are more than {@link MAX_SENTENCES}. */
	more: boolean;
}

/** Rows to name. */
export const MAX_SENTENCES = 10;

const CHILDREN = `SELECT DISTINCT m.name FROM sqlite_schema m JOIN pragma_foreign_key_list(m.name)
	WHERE m.type = 'table' AND ${notOfD1('m.name')} ORDER BY m.rowid`;

/**
 * Finds rows that break a foreign key, in the given tables or in all. A key whose parent's columns are not
 * unique cannot be checked, and is left out. Throws what the database throws.
 */
export async function readOrphans(
	database: SqlDatabase,
	sleep: Sleep,
	tables: string[] | null = null,
): Promise<Orphans> {
	const sentences: string[] = [];
	for (const table of tables ?? (await childrenIn(database, sleep))) {
		const rows = await orphansOf(database, sleep, table, MAX_SENTENCES + 1 - sentences.length);
		sentences.push(...rows.map((row) => sentence(table, row)));
		if (sentences.length > MAX_SENTENCES) break;
	}
	const more = sentences.length > MAX_SENTENCES;
	return { sentences: sentences.slice(0, MAX_SENTENCES), more };
}

/** The sentences, and one more if there are more rows. */
export function printOrphans({ sentences, more }: Orphans): string[] {
	return more ? [...sentences, 'And there are more such rows.'] : sentences;
}

async function childrenIn(database: SqlDatabase, sleep: Sleep): Promise<string[]> {
	const { results } = await retrying(() => database.batch([CHILDREN]), sleep);
	return (results[0]?.results ?? []).map(({ name }) => String(name));
}

async function orphansOf(
	database: SqlDatabase,
	sleep: Sleep,
	table: string,
	limit: number,
): Promise<Row[]> {
	const name = quoteText(table);
	const list = (column: string) =>
		`(SELECT group_concat(f."${column}", ', ') FROM pragma_foreign_key_list(${name}) f WHERE f.id = c.fkid)`;
	const query = `SELECT CAST(c.rowid AS TEXT) AS id, c.parent, ${list('from')} AS child, ${list('to')} AS key
		FROM pragma_foreign_key_check(${name}) c LIMIT ${limit}`;
	try {
		const { results } = await retrying(() => database.batch([query]), sleep);
		return results[0]?.results ?? [];
	} catch (error) {
		if (error instanceof Error && error.message.includes('foreign key mismatch')) return [];
		throw error;
	}
}

function sentence(table: string, { id, parent, child, key }: Row): string {
	const where = id === null ? 'A row' : `Row ${id}`;
	const columns = key === null ? '' : ` (${key})`;
	return `${where} of ${quoteName(table)}: its foreign key ${child} refers to a row of ${quoteName(String(parent))}${columns} that does not exist.`;
}
