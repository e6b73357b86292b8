import type { Row } from '../../database.ts';
import { quoteName } from '../../sql.ts';
import { maxRowBytes } from '../inserts.ts';
import { keyColumns, keySql, orderBy } from '../keys.ts';
import { rowOctets } from '../queries.ts';
import type { Key, Table } from '../schema.ts';

/* How a stage's pages are cut: at rows that are chosen before the transaction that prints them. */

/**
 * Bytes of a number's literal at most: that of 5e-324 takes 22 for each 62 powers of two
 * (../literals.ts).
 */
const MAX_NUMBER_BYTES = 450;

/** The pages of a table. */
export interface TablePlan {
	table: Table;
	/**
	 * Where each page ends except the last one, which is open: keys of rows, or numbers of rows up to
	 * there if the table's rows have no keys, or keys too long for a statement.
	 */
	ends: { keys: string[] } | { counts: number[] };
	/** Whether it has rows that may be too long for a page. */
	hasLongRows: boolean;
}

/**
 * A query that cuts a table into pages of about so many bytes; {@link parsePlan} reads its answer.
 */
export function planQuery(table: Table, pageBytes: number): string {
	const { key, name, only, columns } = table;
	const isByPosition = key.kind === 'position';
	const from = `${quoteName(name)} AS s${isByPosition ? ' NOT INDEXED' : ''}`;
	const rows = `SELECT ${[...keyColumns(table), `${rowOctets(table)} AS o`].join(',')} FROM ${from}${only ? ` WHERE ${only}` : ''}`;
	const bytes = `min(o+${8 * columns.length},${maxRowBytes(table)})`;
	const order = isByPosition ? '' : `${orderBy(selected(key))} `;
	const window = `(${order}ROWS UNBOUNDED PRECEDING)`;
	const ordered = `SELECT *,row_number() OVER w AS n,sum(${bytes}) OVER w/${pageBytes} AS b FROM (${rows}) AS s WINDOW w AS ${window}`;
	return (
		`SELECT ${isByPosition ? `''` : keySql(key)} AS key,max(n) AS n,` +
		`sum(${mayBeLong(table, 'o')}) AS long,total_changes() AS changes FROM (${ordered}) GROUP BY b ORDER BY b`
	);
}

/** The key as {@link keyColumns} names its parts. */
function selected(key: Key): Key {
	if (key.kind === 'rowid') return { kind: 'rowid', name: 'k' };
	if (key.kind === 'position') return key;
	return {
		kind: 'columns',
		parts: key.parts.map((part) => ({ ...part, column: `c${part.index}` })),
	};
}

/** The plan in the answer to {@link planQuery}. */
export function parsePlan(table: Table, rows: Row[]): TablePlan {
	const pages = rows.slice(0, -1);
	const keys = pages.map(({ key }) => String(key));
	const counts = pages.map(({ n }) => Number(n));
	return {
		table,
		ends: table.key.kind === 'position' || keys.includes('') ? { counts } : { keys },
		hasLongRows: rows.some(({ long }) => Number(long) > 0),
	};
}

/** Whether a row may be too long for a page, even in hexadecimal, given the bytes of its texts and blobs. */
export function mayBeLong(table: Table, bytes: string): string {
	const others = MAX_NUMBER_BYTES * (table.columns.length + 1);
	return `(2*(${bytes})+${others}>${maxRowBytes(table)})`;
}
