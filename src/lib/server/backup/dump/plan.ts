import type { StatementResult } from '../database.ts';
import { MAX_COLUMNS, MAX_WRITTEN_STATEMENT_BYTES } from '../limits.ts';
import { quoteName } from '../sql.ts';
import { encode, maxRowBytes } from './inserts.ts';
import { between, keyColumns, keySql, orderBy, selected, type Selection } from './keys.ts';
import { rowEstimate } from './queries.ts';
import type { Table } from './schema.ts';

/* How pages are cut that one transaction prints: at rows that are chosen before it. */

/**
 * Bytes of a number's literal at most: that of 5e-324 takes 22 for each 62 powers of two
 * (../literals.ts).
 */
const MAX_NUMBER_BYTES = 450;
/**
 * Characters of a key that may be a bound of a page: a comparison repeats it up to four times, next to
 * the expression of a row, in one statement.
 */
const MAX_BOUND_LENGTH = 5_000;

/** The pages of a table. */
export interface TablePlan {
	table: Table;
	/** The table's place in the catalog. */
	place: number;
	/**
	 * Where each page ends except the last one, which is open: keys of rows, or numbers of rows up to
	 * there if the table's rows have no keys, or keys too long for a statement.
	 */
	ends: { keys: string[] } | { counts: number[] };
	/** Whether it has rows that may be too long for a page. */
	hasLongRows: boolean;
}

/** Queries that plan some of the tables: each answer has one column for each table, in order. */
export interface PlanQuery {
	sql: string;
	tables: Table[];
}

/**
 * Queries that cut tables into pages of about so many bytes; {@link parsePlans} reads their answers.
 * So many `queries`, if all tables fit.
 */
export function planQueries(
	tables: Table[],
	{ pageBytes, queries }: { pageBytes: number; queries: number },
): PlanQuery[] {
	const columns = tables.map((table) => ({ text: `(${cut(table, pageBytes)})`, table }));
	const most = Math.min(MAX_COLUMNS, Math.ceil(tables.length / queries));
	return packed(columns, ({ text }) => text, most).map((some) => ({
		sql: `SELECT ${some.map(({ text }, index) => `${text} AS p${index}`).join(',')}`,
		tables: some.map(({ table }) => table),
	}));
}

/** Groups of texts that fit one statement each, with at most so many texts. */
export function packed<T>(items: T[], textOf: (item: T) => string, most: number): T[][] {
	const groups: T[][] = [];
	let left = 0;
	for (const item of items) {
		const bytes = encode(textOf(item)).length + 10; // a comma and a name
		const group = groups.at(-1);
		left -= bytes;
		if (group && left >= 0 && group.length < most) {
			group.push(item);
			continue;
		}
		groups.push([item]);
		left = MAX_WRITTEN_STATEMENT_BYTES - bytes;
	}
	return groups;
}

/**
 * A query that returns the number of rows that may be long, and for each page but the last one a line:
 * the bytes and rows up to its end, and the key of its last row, with which the bytes pass a multiple
 * of `pageBytes`.
 */
function cut(table: Table, pageBytes: number): string {
	const { key, name, only, columns } = table;
	const isByPosition = key.kind === 'position';
	const from = `${quoteName(name)} AS s${isByPosition ? ' NOT INDEXED' : ''}`;
	const bytes = `min(e+${8 * columns.length},${maxRowBytes(table)})`;
	const values = [...keyColumns(table), `${rowEstimate(table)} AS e`];
	const rows = `SELECT ${values.join(',')} FROM ${from}${only ? ` WHERE ${only}` : ''}`;
	const order = isByPosition ? '' : `${orderBy(selected(key))} `;
	const number = key.kind === 'rowid' ? '0' : 'row_number() OVER w';
	const summed = `SELECT *,sum(${bytes}) OVER w AS t,${number} AS n FROM (${rows}) AS s WINDOW w AS (${order}ROWS UNBOUNDED PRECEDING)`;
	const line = `t||' '||n||' '||${isByPosition ? `''` : keySql(key)}`;
	const isEnd = `t/${pageBytes}>(t-${bytes})/${pageBytes}`;
	return (
		`SELECT ifnull(sum(${mayBeLong(table, 'e')}),0)||` +
		`ifnull(char(10)||group_concat(iif(${isEnd},${line},NULL),char(10)),'') FROM (${summed})`
	);
}

/** The plans of all tables, from the answers to {@link planQueries}. */
export function parsePlans(queries: PlanQuery[], results: StatementResult[]): TablePlan[] {
	const texts = queries.flatMap(({ tables }, query) => {
		const row = results[query]?.results[0] ?? {};
		return tables.map((table, index) => ({ table, text: row[`p${index}`] }));
	});
	return texts.map(({ table, text }, place) => parsePlan(table, place, text));
}

function parsePlan(table: Table, place: number, text: string | number | null = null): TablePlan {
	const [long = '0', ...lines] = String(text ?? '0').split('\n');
	const ends = lines
		.map((line) => /^(\d+) (\d+) (.*)$/s.exec(line) ?? [])
		.map(([, bytes, rows, key = '']) => ({ bytes: Number(bytes), rows: Number(rows), key }))
		.sort((a, b) => a.bytes - b.bytes);
	const keys = ends.map(({ key }) => key);
	const areBounds = keys.every((key) => key !== '' && key.length <= MAX_BOUND_LENGTH);
	return {
		table,
		place,
		ends: areBounds ? { keys } : { counts: ends.map(({ rows }) => rows) },
		hasLongRows: long !== '0',
	};
}

/** Whether a row may be too long for a page, even in hexadecimal, given the bytes of its texts and blobs. */
export function mayBeLong(table: Table, bytes: string): string {
	const others = MAX_NUMBER_BYTES * (table.columns.length + 1);
	return `(2*(${bytes})+${others}>${maxRowBytes(table)})`;
}

/** The rows of each page of a plan. */
export function selectionsOf({ table, ends }: TablePlan): Selection[] {
	if ('keys' in ends) {
		const bounds = [null, ...ends.keys, null];
		return bounds.slice(1).map((to, index) => between(table, bounds[index] ?? null, to));
	}
	const counts = [0, ...ends.counts];
	return counts.map((offset, index) => {
		const next = counts[index + 1];
		const rows = next === undefined ? -1 : next - offset;
		return { ...between(table, null, null), limit: `LIMIT ${rows} OFFSET ${offset}` };
	});
}
