import { quoteName, STAGE, STAGE_VALUES } from '../../sql.ts';
import { maxRowBytes } from '../inserts.ts';
import { between, orderBy, type Selection, withinBounds } from '../keys.ts';
import { joinedRows, printedRows, rowOctets } from '../queries.ts';
import type { Table } from '../schema.ts';
import { mayBeLong, packed, selectionsOf, type TablePlan } from '../plan.ts';

/* The statements that fill a stage, as few as D1's limits allow. */

/** Pages of a table that one statement prints. */
const PAGES_PER_STATEMENT = 1_000;
/** Pages of different tables that one statement prints: D1 stops at 25,000 opcodes, and each may take 100. */
const TABLES_PER_STATEMENT = 100;
/** Values that one statement copies by scanning the table for each: D1 joins at most five SELECTs (workerd, util/sqlite.c++). */
const SCANS_PER_STATEMENT = 5;
/** The bounds of the first and last page: rowids have 64 bits. */
const SMALLEST = '-9223372036854775808';
const LARGEST = '9223372036854775807';

/** The statements that stage the rows of these tables. The pages of a table get numbers in a row. */
export function fillStage(plans: TablePlan[]): string[] {
	const isRanges = ({ table, ends }: TablePlan) =>
		table.key.kind === 'rowid' && 'keys' in ends && ends.keys.length > 0;
	const singles = plans.filter((plan) => !isRanges(plan)).flatMap(separatePages);
	return [
		...plans.filter(isRanges).flatMap(pagesOfRanges),
		...packed(singles, (row) => row, TABLES_PER_STATEMENT).map(
			(rows) => `INSERT INTO ${STAGE} (tbl,page) VALUES ${rows.join(',')}`,
		),
		...plans.filter(({ hasLongRows }) => hasLongRows).flatMap(insertValues),
	];
}

/** Prints the pages of a table by ranges of its rowid, which need the expression of a row once. */
function pagesOfRanges(plan: TablePlan): string[] {
	const { table, place, ends } = plan;
	const keys = 'keys' in ends ? ends.keys : [];
	const ranges = [...keys, LARGEST].map((to, index) => {
		const before = keys[index - 1];
		return `(${before === undefined ? SMALLEST : BigInt(before) + 1n},${to})`;
	});
	const page = printedPage(plan, withinBounds(table, { from: 'b.lo', to: 'b.hi' }));
	const statements: string[] = [];
	for (let at = 0; at < ranges.length; at += PAGES_PER_STATEMENT) {
		const some = ranges.slice(at, at + PAGES_PER_STATEMENT).join(',');
		const bounds = `SELECT column1 AS lo,column2 AS hi FROM (VALUES ${some})`;
		statements.push(
			`INSERT INTO ${STAGE} (tbl,page) SELECT ${place},(${page}) FROM (${bounds}) AS b`,
		);
	}
	return statements;
}

/** A row of the stage for each page of a table. */
function separatePages(plan: TablePlan): string[] {
	return selectionsOf(plan).map((rows) => `(${plan.place},(${printedPage(plan, rows)}))`);
}

/**
 * A query for a page; NULL if there are no rows. The reader rewrites what SQLite leaves to it, and
 * notices if a row has grown too long since a table without long rows was planned.
 */
function printedPage({ table, hasLongRows }: TablePlan, selection: Selection): string {
	const form = hasLongRows ? 'exact' : 'quick';
	const rows = printedRows(table, selection, { form, octets: hasLongRows });
	return `SELECT ${joined(table, hasLongRows)} FROM(${rows})`;
}

/**
 * Rows as a page: for each the length of its text, then a line end and the texts. The length is
 * negative if the row's values are staged too, and 0 if the row has no text of its own.
 */
function joined(table: Table, hasLongRows: boolean, order = ''): string {
	const maxBytes = hasLongRows ? maxRowBytes(table) : null;
	const sign = hasLongRows ? `iif(${mayBeLong(table, 'o')},-1,1)*` : '';
	const { text, lengths } = joinedRows({ maxBytes, sign, order });
	return `${lengths}||char(10)||${text}`;
}

/**
 * The statements that stage the rows of a table from another one with the same columns under other
 * names, which exists within the transaction only: so it cannot be cut into pages before.
 */
export function fillStageFrom(
	source: Table,
	{ table, place, pageBytes }: Pick<TablePlan, 'table' | 'place'> & { pageBytes: number },
): string[] {
	const bytes = `min(ifnull(octet_length(r),0),${maxRowBytes(table)})`;
	const page = `sum(${bytes}) OVER (ORDER BY k ROWS UNBOUNDED PRECEDING)/${pageBytes} AS page`;
	const all = between(source, null, null);
	const rows = `SELECT *,${page} FROM(${printedRows(source, all, { form: 'exact', octets: true })})`;
	return [
		`INSERT INTO ${STAGE} (tbl,page) SELECT ${place},${joined(table, true, ' ORDER BY k')} FROM(${rows}) GROUP BY page ORDER BY page`,
		...insertValues({ table, place, source }),
	];
}

/** A table, its place, and the table to read its rows from, if not itself. */
type ValuesOf = Pick<TablePlan, 'table' | 'place'> & { source?: Table };

/** Stages the values of rows that may be too long for a page, numbered in key order. */
function insertValues({ table, place, source = table }: ValuesOf): string[] {
	const columns = source.columns.map(quoteName);
	if (table.rowid) columns.unshift(`s.${table.rowid}`);
	const { only } = table;
	const conditions = [only, mayBeLong(table, rowOctets(source))].filter((each) => each !== null);
	const where = `WHERE ${conditions.join(' AND ')}`;
	const into = `INSERT INTO ${STAGE_VALUES} (tbl,n,col,value)`;
	const from = `${quoteName(source.name)} AS s`;
	if (table.key.kind === 'position') return insertByScans(columns, { into, from, where, place });
	const arms = columns.map((column, index) => `WHEN ${index} THEN ${column}`).join(' ');
	const indexes = columns.map((_, index) => `(${index})`).join(',');
	const number = `row_number() OVER (PARTITION BY v.column1 ${orderBy(table.key)})`;
	return [
		`${into} SELECT ${place},${number},v.column1,CASE v.column1 ${arms} END ` +
			`FROM ${from} CROSS JOIN (VALUES ${indexes}) AS v ${where}`,
	];
}

/** The same for rows without a key: their order is that of a scan. */
function insertByScans(
	columns: string[],
	{ into, from, where, place }: { into: string; from: string; where: string; place: number },
): string[] {
	const selects = columns.map(
		(column, index) =>
			`SELECT ${place},row_number() OVER (),${index},${column} FROM ${from} NOT INDEXED ${where}`,
	);
	const statements: string[] = [];
	for (let at = 0; at < selects.length; at += SCANS_PER_STATEMENT) {
		const some = selects.slice(at, at + SCANS_PER_STATEMENT).join(' UNION ALL ');
		statements.push(`${into} ${some}`);
	}
	return statements;
}
