import type { Row } from '../database.ts';
import { foldCase, quoteName, quoteText } from '../sql.ts';
import { parseFullText, parseVirtualTable } from '../virtual-table.ts';

/* Full-text tables, as a restore of some tables of a database in use treats them. */

/** Whether a row of `sqlite_schema` is an FTS5 table that has an index only, not rows of its own. */
export function isIndexOnly({ sql }: Row): boolean {
	return (parseFullText(String(sql))?.content ?? 'own') !== 'own';
}

/**
 * Whether to empty the table by deleting its rows. A full-text table without rows of its own has
 * none to delete, and an fts5vocab table shows those of another.
 */
export function hasRows(schema: Row[], table: string): boolean {
	const definition = schema.find(
		({ type, name }) => type === 'table' && foldCase(String(name)) === foldCase(table),
	);
	const sql = String(definition?.['sql']);
	if (parseVirtualTable(sql)?.module === 'fts5vocab') return false;
	return !isIndexOnly({ sql });
}

/** A command to a full-text table (SQLite: FTS5, "Special INSERT Commands"). */
export function command(name: string, what: 'delete-all' | 'rebuild'): string {
	return `INSERT INTO ${quoteName(name)} (${quoteName(name)}) VALUES (${quoteText(what)})`;
}
