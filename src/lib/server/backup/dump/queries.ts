import { ROW_SEPARATOR } from '../format/digest.ts';
import type { Table } from './schema.ts';
import { behind, keyColumns, keySql, type Position } from './keys.ts';
import {
	hexLiteral,
	joinWithCommas,
	literal,
	octets,
	quickLiteral,
	quickText,
	sum,
} from './literals.ts';
import { quoteName } from '../sql.ts';

/* The queries of pages. */

/**
 * Bytes of text and blobs in a row up to which it is printed as one value: as literals they may
 * take twice that, and D1 allows 2,000,000.
 */
const MAX_PRINTED_OCTETS = 900_000;
/**
 * Columns up to which each has an expression of its own, of about 800 bytes and twice that where a
 * page is read in two forms: D1 takes statements of up to 100,000 bytes (Platform > Limits).
 */
const MAX_REPEATED_COLUMNS = 32;
/** What a page is asked for. */
export interface PageRequest {
	table: Table;
	position: Position;
	/** Rows at most. */
	limit: number;
	/** Bytes of a row's literals, above which it is a {@link LongRow}. */
	maxRowBytes: number;
	form: Form;
}

/**
 * How a page is printed. The quick form leaves it to the receiver to look for text that has to be in
 * hexadecimal, and is refused by D1 where a row is longer than one value may be; where it fails, the
 * exact form takes its place. A row's text is the same in both.
 */
export type Form = 'quick' | 'exact';

/** One result row for the page: its rows joined, their lengths, and the keys of the long ones. */
export function joinedPage(request: PageRequest): string {
	const { table, maxRowBytes } = request;
	const fits = `octet_length(r)<=${maxRowBytes}`;
	const last = table.key.kind === 'rowid' ? 'quote(max(k))' : 'NULL';
	return (
		`SELECT group_concat(iif(${fits},r,''),'${ROW_SEPARATOR}') AS text,` +
		`group_concat(iif(${fits},octet_length(r),0)) AS lengths,` +
		`group_concat(iif(${fits},NULL,${keySql(table.key)}),';') AS long,` +
		`${last} AS last,total_changes() AS changes FROM(${printedRows(request)})`
	);
}

/** One result row for each row of the page, readable and in hexadecimal. */
export function separatePage(request: PageRequest): string {
	const { table, maxRowBytes } = request;
	const unlessLong = (row: string) => `iif(octet_length(${row})<=${maxRowBytes},${row},NULL)`;
	return (
		`SELECT ${unlessLong('r')} AS plain,octet_length(r) AS bytes,${unlessLong('h')} AS hex,` +
		`${keySql(table.key)} AS key,total_changes() AS changes ` +
		`FROM(${printedRows(request, { hex: true })})`
	);
}

/**
 * The rows of a page: their keys, `r` the row as `(literal,…)`, and `h` the same in hexadecimal. The
 * LIMIT without effect keeps SQLite from putting the expression of a row wherever the outer query
 * names it, and so from printing it several times (SQLite: Query Flattening, rule 8).
 */
function printedRows({ table, position, limit, form }: PageRequest, { hex = false } = {}): string {
	const rows = `${quoteName(table.name)} AS s ${behind(table.key, position, limit)}`;
	if (table.columns.length > MAX_REPEATED_COLUMNS) {
		const keys = keyColumns(table);
		const forms = [`${unpivotedRow(table, literal)} AS r`];
		if (hex) forms.push(`${unpivotedRow(table, hexLiteral)} AS h`);
		return `SELECT ${[...keys, ...forms].join(',')} FROM ${rows}`;
	}
	const columns = table.columns.map((name, index) => `${quoteName(name)} AS c${index}`);
	if (table.key.kind === 'rowid') columns.unshift(`s.${table.key.name} AS k`);
	const forms = [`${form === 'quick' ? quickRow(table) : repeatedRow(table, literal)} AS r`];
	if (hex) forms.push(`${repeatedRow(table, hexLiteral)} AS h`);
	return `SELECT *,${forms.join(',')} FROM(SELECT ${columns.join(',')} FROM ${rows})LIMIT -1`;
}

function quickRow(table: Table): string {
	const literals = table.columns.map((name, index) =>
		table.textColumns.has(name) ? quickText(`c${index}`) : quickLiteral(`c${index}`),
	);
	if (table.rowid) literals.unshift('k');
	return `'('||${joinWithCommas(literals)}||')'`;
}

/** A row, or NULL when it could be more than D1 gives as one value: an expression a column. */
function repeatedRow(table: Table, print: (column: string) => string): string {
	const columns = table.columns.map((_, index) => `c${index}`);
	const literals = columns.map(print);
	if (table.rowid) literals.unshift('quote(k)');
	return `iif(${sum(columns.map(octets))}<=${MAX_PRINTED_OCTETS},'('||${joinWithCommas(literals)}||')',NULL)`;
}

/** The same for tables so wide that the expressions would be too long: one for all columns. */
function unpivotedRow(table: Table, print: (column: string) => string): string {
	const row = `'('||group_concat(${print('v')})||')'`;
	return `(${unpivoted(table)} SELECT iif(sum(${octets('v')})<=${MAX_PRINTED_OCTETS},${row},NULL) FROM u)`;
}

/**
 * A row's values one below the other, as column `v` of `u`. The plus takes away the columns'
 * affinity: that of the first would turn the values of all others into its own kind.
 */
export function unpivoted(table: Table): string {
	const values = table.columns.map(quoteName);
	if (table.rowid) values.unshift(table.rowid);
	return `WITH u(v) AS (VALUES ${values.map((value) => `(+${value})`).join(',')})`;
}
