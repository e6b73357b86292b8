import { quoteName, STAGE, STAGE_VALUES } from '../../sql.ts';
import { maxRowBytes } from '../inserts.ts';
import { between, orderBy } from '../keys.ts';
import { printedRows, rowOctets } from '../queries.ts';
import { ROW_SEPARATOR } from '../../format/digest.ts';
import type { Table } from '../schema.ts';
import { mayBeLong, type TablePlan } from './plan.ts';

/* The statements that fill a stage. */

/** Values that one statement inserts: D1 joins at most five SELECTs (workerd, util/sqlite.c++). */
const VALUES_PER_STATEMENT = 5;

/** The statements that stage the rows of the table with this place in the catalog. */
export function fillStage(plan: TablePlan, place: number): string[] {
	const pages = tails(plan).map((tail) => insertPage(plan.table, place, tail));
	return plan.hasLongRows ? [...pages, ...insertValues(plan.table, place)] : pages;
}

/** The end of a SELECT, from WHERE on, for each page. */
function tails({ table, ends }: TablePlan): string[] {
	if ('keys' in ends) {
		const bounds = [null, ...ends.keys, null];
		return bounds.slice(1).map((to, index) => between(table, bounds[index] ?? null, to));
	}
	const counts = [0, ...ends.counts];
	return counts.map((offset, index) => {
		const next = counts[index + 1];
		const limit = next === undefined ? -1 : next - offset;
		return `${between(table, null, null)} LIMIT ${limit} OFFSET ${offset}`;
	});
}

/**
 * Stages a page: for each row the length of its text, then a line end and the texts. The length is
 * negative if the row's values are staged too, and 0 if the row has no text of its own.
 */
function insertPage(table: Table, place: number, tail: string): string {
	const fits = `octet_length(r)<=${maxRowBytes(table)}`;
	const length = `iif(${fits},iif(${mayBeLong(table, 'o')},-1,1)*octet_length(r),0)`;
	return (
		`INSERT INTO ${STAGE} (tbl,page) SELECT ${place},group_concat(${length})||char(10)||` +
		`group_concat(iif(${fits},r,''),'${ROW_SEPARATOR}') FROM(${printedRows(table, tail, { form: 'exact', octets: true })}) HAVING count(*)>0`
	);
}

/** Stages the values of rows that may be too long for a page, numbered in key order. */
function insertValues(table: Table, place: number): string[] {
	const { name, key, only } = table;
	const columns = table.columns.map(quoteName);
	if (table.rowid) columns.unshift(`s.${table.rowid}`);
	const isByPosition = key.kind === 'position';
	const from = `${quoteName(name)} AS s${isByPosition ? ' NOT INDEXED' : ''}`;
	const conditions = [only, mayBeLong(table, rowOctets(table))].filter((each) => each !== null);
	const order = isByPosition ? '' : orderBy(key);
	const selects = columns.map(
		(column, index) =>
			`SELECT ${place},row_number() OVER (${order}),${index},${column} FROM ${from} WHERE ${conditions.join(' AND ')}`,
	);
	const statements: string[] = [];
	for (let at = 0; at < selects.length; at += VALUES_PER_STATEMENT) {
		const some = selects.slice(at, at + VALUES_PER_STATEMENT).join(' UNION ALL ');
		statements.push(`INSERT INTO ${STAGE_VALUES} (tbl,n,col,value) ${some}`);
	}
	return statements;
}
