import { MAX_VALUE_BYTES } from '../limits.ts';
import { quoteName } from '../sql.ts';
import {
	after,
	keyColumns,
	keyNames,
	keySql,
	orderBy,
	type Position,
	type Selection,
	selected,
} from './keys.ts';
import { exactRow, literal, octets, type Printed, quickRow, sum } from './literals.ts';
import type { Key, Table } from './schema.ts';

/* The queries that read a page of a table. */

/**
 * What is between two rows of a page on its way: as long as the separator of the file, and nothing
 * that JSON has to escape.
 */
export const PAGE_SEPARATOR = ', ';
/** Bytes of a page that one result row holds in hexadecimal. */
export const SLICE_BYTES = 900_000;

/**
 * Bytes of text and blobs in a row that is printed as one value. Its literals may be twice as long,
 * and 200,000 bytes are left for everything else.
 */
const MAX_PRINTED_OCTETS = MAX_VALUE_BYTES / 2 - 100_000;
/**
 * Columns of a table whose columns each have an expression of their own. It takes about 800 bytes,
 * twice that if a row is printed in two ways, and the query has to stay below MAX_STATEMENT_BYTES.
 */
const MAX_REPEATED_COLUMNS = 32;

/** Bytes of a usual real's literal of 16 or 17 digits, beyond the eight that any value counts. */
const LONG_REAL_BYTES = 32;

/** Bytes that a text's literal gains in hexadecimal, beyond its own length. */
const HEXADECIMAL_BYTES = 20;

/** What page to read, and how. */
export interface PageRequest {
	table: Table;
	position: Position;
	/** The most rows to read. */
	limit: number;
	/** The rows to read, if a plan says so, instead of those after the position. */
	selection?: Selection;
	/** Bytes of a row's literals above which only its key is printed. */
	maxRowBytes: number;
	form: Form;
}

/**
 * How a page is printed. The quick form leaves it to the reader to find text that must be written in
 * hexadecimal. The counted form also says how often U+FFFD was printed. The exact form also has the
 * keys of rows that are or may become too long. A row's text is the same in all of them.
 */
export type Form = 'quick' | 'counted' | 'exact';

/**
 * One result row for the page: the texts of its rows, joined, and their lengths, which are 0 for rows
 * without text. In the exact form these are the rows that are too long.
 */
export function joinedPage(request: PageRequest): string {
	const { table, position, limit, maxRowBytes, form } = request;
	const rows = printedRows(table, request.selection ?? after(table, position, limit), { form });
	const { text, lengths } = joinedRows({ maxBytes: form === 'exact' ? maxRowBytes : null });
	const columns = [`${text} AS text`, `${lengths} AS lengths`];
	columns.push(`${table.key.kind === 'rowid' ? 'quote(max(k))' : 'NULL'} AS last`);
	if (form === 'exact') {
		const isShort = `octet_length(r)<=${keylessBytes(request)}`;
		columns.push(`group_concat(iif(${isShort},NULL,${keySql(table.key)}),';') AS keys`);
	}
	const page = `SELECT ${columns.join(',')},total_changes() AS changes FROM(${rows})`;
	return form === 'quick' ? page : `SELECT *,${replacements('text')} AS replacements FROM(${page})`;
}

/** The bytes of the same page in hexadecimal: a result row for each {@link SLICE_BYTES} of them. */
export function pageInSlices(request: PageRequest, bytes: number): string {
	const starts: string[] = [];
	for (let start = 1; start <= bytes; start += SLICE_BYTES) starts.push(`(${start})`);
	const page = `SELECT CAST(text AS BLOB) AS page,changes FROM(${joinedPage(request)})`;
	return (
		`SELECT column1 AS start,hex(substr(page,column1,${SLICE_BYTES})) AS slice,changes ` +
		`FROM(${page})CROSS JOIN(VALUES ${starts.join(',')})`
	);
}

/** The number of U+FFFD in a text. */
export function replacements(text: string): string {
	return `(octet_length(${text})-octet_length(replace(${text},char(65533),'')))/3`;
}

/** Which rows have a text of their own, and how their lengths and texts are joined. */
interface Joining {
	/** Bytes of the longest row with a text; null if all have. */
	maxBytes: number | null;
	/** A factor of each length. */
	sign?: string;
	order?: string;
}

/** Aggregates of printed rows: their texts, joined, and their lengths; 0 for rows without text. */
export function joinedRows({ maxBytes, sign = '', order = '' }: Joining): {
	text: string;
	lengths: string;
} {
	const fits = `octet_length(r)<=${maxBytes}`;
	const text = maxBytes === null ? `ifnull(r,'')` : `iif(${fits},r,'')`;
	const length =
		maxBytes === null ? 'ifnull(octet_length(r),0)' : `iif(${fits},${sign}octet_length(r),0)`;
	return {
		text: `group_concat(${text},'${PAGE_SEPARATOR}'${order})`,
		lengths: `group_concat(${length},','${order})`,
	};
}

/** Bytes of a row that fits a statement even if all of its text is written in hexadecimal. */
export function keylessBytes({ table, maxRowBytes }: PageRequest): number {
	return Math.floor(maxRowBytes / 2) - HEXADECIMAL_BYTES * (table.columns.length + 1);
}

/**
 * The rows of a selection in key order: their keys, `r` the row as `(literal,...)`, and `o` the bytes
 * of its texts and blobs.
 *
 * SQLite flattens the subquery that gives columns short names, because it has no ORDER BY and no
 * LIMIT: so values are not copied. It does not flatten the whole into a query with aggregates, because
 * of the LIMIT: so a row is printed once, however often that query names it (SQLite: Query
 * Flattening, rules 8 and 16).
 */
export function printedRows(
	table: Table,
	{ where, limit }: Selection,
	{ form, octets: counted = false }: { form: Form; octets?: boolean },
): string {
	const isByPosition = table.key.kind === 'position';
	const scan = `${quoteName(table.name)} AS s ${isByPosition ? `${orderBy(table.key)} ` : ''}${where}`;
	const order = (key: Key) => (isByPosition ? '' : `${orderBy(key)} `);
	if (table.columns.length > MAX_REPEATED_COLUMNS) {
		const columns = [...keyColumns(table), `${unpivotedRow(table)} AS r`];
		if (counted) columns.push(`${rowOctets(table)} AS o`);
		return `SELECT ${columns.join(',')} FROM ${scan}${order(table.key)}${limit}`;
	}
	const names = table.columns.map((name, index) => `${quoteName(name)} AS c${index}`);
	if (table.key.kind === 'rowid') names.unshift(`s.${table.key.name} AS k`);
	const columns = [...keyNames(table.key), `${repeatedRow(table, form)} AS r`];
	if (counted) columns.push(`${columnOctets(table)} AS o`);
	const rows = `(SELECT ${names.join(',')} FROM ${scan})AS s `;
	return `SELECT ${columns.join(',')} FROM ${rows}${order(selected(table.key))}${limit}`;
}

/** A row, with one expression for each column; NULL if it may be longer than one value in D1. */
function repeatedRow(table: Table, form: Form): string {
	const values = table.columns.map((name, index): Printed => {
		return { column: `c${index}`, holds: table.textColumns.has(name) ? 'text' : 'anything' };
	});
	if (table.rowid) values.unshift({ column: 'k', holds: 'integers' });
	if (form !== 'exact') return quickRow(values);
	return `iif(${columnOctets(table)}<=${MAX_PRINTED_OCTETS},${exactRow(values)},NULL)`;
}

function columnOctets({ columns }: Table): string {
	return sum(columns.map((_, index) => octets(`c${index}`)));
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
function unpivotedRow(table: Table): string {
	const row = `'('||group_concat(${literal('v')})||')'`;
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
