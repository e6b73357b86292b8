import { ROW_SEPARATOR } from '../format/digest.ts';
import { MAX_VALUE_BYTES } from '../limits.ts';
import { quoteName } from '../sql.ts';
import { after, keyColumns, keySql, type Position } from './keys.ts';
import {
	hexLiteral,
	joinWithCommas,
	literal,
	octets,
	quickLiteral,
	quickText,
	sum,
} from './literals.ts';
import type { Table } from './schema.ts';

/* The queries that read a page of a table. */

/**
 * Bytes of text and blobs in a row that is printed as one value. Its literals may be twice as long,
 * and 200,000 bytes are left for everything else.
 */
const MAX_PRINTED_OCTETS = MAX_VALUE_BYTES / 2 - 100_000;
/**
 * Columns of a table whose columns each have an expression of their own. It takes about 800 bytes,
 * twice that if a page is read in two forms, and the query has to stay below MAX_STATEMENT_BYTES.
 */
const MAX_REPEATED_COLUMNS = 32;

/** Bytes of a usual real's literal of 16 or 17 digits, beyond the eight that any value counts. */
const LONG_REAL_BYTES = 32;

/** What page to read, and how. */
export interface PageRequest {
	table: Table;
	position: Position;
	/** The most rows to read. */
	limit: number;
	/** Bytes of a row's literals above which only its key is printed. */
	maxRowBytes: number;
	form: Form;
}

/**
 * How a page is printed. The quick form leaves it to the reader to find text that must be written
 * in hexadecimal, and D1 refuses it if a row is longer than one value may be. If either happens,
 * the page is read again in the exact form. A row's text is the same in both.
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
		`${last} AS last,total_changes() AS changes FROM(${printedRows(table, tailOf(request), request)})`
	);
}

/** One result row for each row of the page: as plain text and in hexadecimal. */
export function separatePage(request: PageRequest): string {
	const { table, maxRowBytes } = request;
	const unlessLong = (row: string) => `iif(octet_length(${row})<=${maxRowBytes},${row},NULL)`;
	return (
		`SELECT ${unlessLong('r')} AS plain,octet_length(r) AS bytes,${unlessLong('h')} AS hex,` +
		`${keySql(table.key)} AS key,total_changes() AS changes ` +
		`FROM(${printedRows(table, tailOf(request), { form: request.form, hex: true })})`
	);
}

function tailOf({ table, position, limit }: PageRequest): string {
	return after(table, position, limit);
}

/**
 * The rows that a SELECT with this end returns: their keys, `r` the row as `(literal,...)`, and `h`
 * the same in hexadecimal, `o` the bytes of its texts and blobs.
 * `LIMIT -1` has no effect except that SQLite evaluates the expression of a row once, not each time
 * that the outer query names it (SQLite: Query Flattening, rule 8).
 */
export function printedRows(
	table: Table,
	tail: string,
	{ form, hex = false, octets: counted = false }: { form: Form; hex?: boolean; octets?: boolean },
): string {
	const rows = `${quoteName(table.name)} AS s ${tail}`;
	if (table.columns.length > MAX_REPEATED_COLUMNS) {
		const keys = keyColumns(table);
		const forms = [`${unpivotedRow(table, literal)} AS r`];
		if (hex) forms.push(`${unpivotedRow(table, hexLiteral)} AS h`);
		if (counted) forms.push(`${rowOctets(table)} AS o`);
		return `SELECT ${[...keys, ...forms].join(',')} FROM ${rows}`;
	}
	const columns = table.columns.map((name, index) => `${quoteName(name)} AS c${index}`);
	if (table.key.kind === 'rowid') columns.unshift(`s.${table.key.name} AS k`);
	const forms = [`${form === 'quick' ? quickRow(table) : repeatedRow(table, literal)} AS r`];
	if (hex) forms.push(`${repeatedRow(table, hexLiteral)} AS h`);
	if (counted) forms.push(`${sum(table.columns.map((_, index) => octets(`c${index}`)))} AS o`);
	return `SELECT *,${forms.join(',')} FROM(SELECT ${columns.join(',')} FROM ${rows})LIMIT -1`;
}

function quickRow(table: Table): string {
	const literals = table.columns.map((name, index) =>
		table.textColumns.has(name) ? quickText(`c${index}`) : quickLiteral(`c${index}`),
	);
	if (table.rowid) literals.unshift('k');
	return `'('||${joinWithCommas(literals)}||')'`;
}

/** A row, with one expression for each column; NULL if it may be longer than one value in D1. */
function repeatedRow(table: Table, print: (column: string) => string): string {
	const columns = table.columns.map((_, index) => `c${index}`);
	const literals = columns.map(print);
	if (table.rowid) literals.unshift('quote(k)');
	return `iif(${sum(columns.map(octets))}<=${MAX_PRINTED_OCTETS},'('||${joinWithCommas(literals)}||')',NULL)`;
}

/** Bytes of the texts and blobs in a row. */
export function rowOctets(table: Table): string {
	return overColumns(table, octets);
}

/**
 * About the bytes of a row's literals, without eight for each column: those of its texts and blobs, and
 * more for reals.
 */
export function rowEstimate(table: Table): string {
	return overColumns(table, (column, isText) =>
		isText
			? `ifnull(octet_length(${column}),0)`
			: `CASE typeof(${column}) WHEN 'integer' THEN 0 WHEN 'null' THEN 0 WHEN 'real' THEN ${LONG_REAL_BYTES} ELSE octet_length(${column}) END`,
	);
}

/** The sum over a row's columns of an expression; a column with TEXT affinity holds no numbers. */
function overColumns(table: Table, value: (column: string, isText: boolean) => string): string {
	const { columns, textColumns } = table;
	if (columns.length <= MAX_REPEATED_COLUMNS) {
		return sum(columns.map((name) => value(quoteName(name), textColumns.has(name))));
	}
	return `(${unpivoted(table)} SELECT sum(${value('v', false)}) FROM u)`;
}

/** The same for tables so wide that these would be too long: one expression for all columns. */
function unpivotedRow(table: Table, print: (column: string) => string): string {
	const row = `'('||group_concat(${print('v')})||')'`;
	return `(${unpivoted(table)} SELECT iif(sum(${octets('v')})<=${MAX_PRINTED_OCTETS},${row},NULL) FROM u)`;
}

/**
 * A row's values, each as a row of its own: column `v` of `u`. The plus removes the columns'
 * affinity, because that of the first would be applied to the values of all of them.
 */
export function unpivoted(table: Table): string {
	const values = table.columns.map(quoteName);
	if (table.rowid) values.unshift(table.rowid);
	return `WITH u(v) AS (VALUES ${values.map((value) => `(+${value})`).join(',')})`;
}
