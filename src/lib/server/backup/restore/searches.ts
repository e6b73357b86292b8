import type { Row } from '../database.ts';
import { foldCase, quoteName, quoteText } from '../sql.ts';
import { parseFullText, parseVirtualTable } from '../virtual-table.ts';

/* Full-text tables, as a restore of some tables of a database in use treats them. */

/** Whether a row of `sqlite_schema` is an FTS5 table that indexes another table or a view. */
export function isExternalFullText({ sql }: Row): boolean {
	return parseFullText(String(sql))?.content === 'external';
}

/**
 * Whether to empty the table. A full-text table without rows of its own is not emptied: an index of
 * another table is filled by what the file says, and a contentless one is not in the backup, so it
 * stays as it is; D1 could not even empty every kind of it. An fts5vocab table shows another's.
 */
export function hasRows(schema: Row[], table: string): boolean {
	const definition = schema.find(
		({ type, name }) => type === 'table' && foldCase(String(name)) === foldCase(table),
	);
	const sql = String(definition?.['sql']);
	if (parseVirtualTable(sql)?.module === 'fts5vocab') return false;
	return (parseFullText(sql)?.content ?? 'own') === 'own';
}

/** A command to a full-text table (SQLite: FTS5, "Special INSERT Commands"). */
export function command(name: string, what: 'delete-all' | 'rebuild'): string {
	return `INSERT INTO ${quoteName(name)} (${quoteName(name)}) VALUES (${quoteText(what)})`;
}
