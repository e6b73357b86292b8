import type { SqlDatabase } from '../../lib/server/backup/database.ts';
import { MAX_VALUE_BYTES } from '../../lib/server/backup/limits.ts';
import { notOfD1, notOfSqlite, quoteName } from '../../lib/server/backup/sql.ts';
import { count } from '../terminal/text.ts';

/** A row that D1 cannot hold. */
interface LargeValue {
	table: string;
	sentence: string;
}
export type LargeValues = LargeValue[];

/** Rows to name. */
const MAX_NAMED = 10;

const TABLES = `SELECT l.name, l.wr, x.name AS column FROM pragma_table_list l JOIN pragma_table_xinfo(l.name) x
	WHERE l.schema = 'main' AND l.type IN ('table', 'virtual') AND x.hidden = 0
	AND ${notOfD1('l.name')} AND ${notOfSqlite('l.name')} ORDER BY l.name, x.cid`;

/**
 * Finds rows with more bytes than D1 takes in a value or a row. SQLite knows the length of a value without
 * reading it, so this takes little time. None if the whole database is smaller.
 */
export async function readLargeValues(database: SqlDatabase): Promise<LargeValues> {
	const { results } = await database.batch([TABLES]);
	const { size_after: size = 0 } = results[0]?.meta ?? {};
	if (size <= MAX_VALUE_BYTES) return [];
	const tables = Map.groupBy(results[0]?.results ?? [], ({ name }) => String(name));
	const found: LargeValues = [];
	for (const [table, rows] of tables) {
		if (found.length >= MAX_NAMED) break;
		const columns = rows.map(({ column }) => String(column));
		const limit = MAX_NAMED - found.length;
		found.push(...(await largeValuesOf(database, table, columns, rows[0]?.['wr'] === 1, limit)));
	}
	return found;
}

async function largeValuesOf(
	database: SqlDatabase,
	table: string,
	columns: string[],
	withoutRowid: boolean,
	limit: number,
): Promise<LargeValues> {
	const length = (column: string) => {
		const name = quoteName(column);
		return `iif(typeof(${name}) IN ('text','blob'),octet_length(${name}),0)`;
	};
	const sizes = columns.map((column, index) => `${length(column)} AS c${index}`);
	const all = columns.map((_, index) => `c${index}`).join('+');
	const taken = columns.some((column) => column.toLowerCase() === 'rowid');
	const rowid = withoutRowid || taken ? 'NULL' : 'CAST(rowid AS TEXT)';
	const { results } = await database.batch([
		`SELECT * FROM (SELECT ${rowid} AS id,${sizes.join(',')} FROM ${quoteName(table)}) WHERE ${all}>${MAX_VALUE_BYTES} LIMIT ${limit}`,
	]);
	return (results[0]?.results ?? []).map((row) => {
		const lengths = columns.map((_, index) => Number(row[`c${index}`]));
		const where = `${row['id'] === null ? 'a row' : `row ${row['id']}`} of ${quoteName(table)}`;
		return { table, sentence: sentence(where, columns, lengths) };
	});
}

function sentence(where: string, columns: string[], lengths: number[]): string {
	const most = `D1 takes at most ${count(MAX_VALUE_BYTES)}`;
	const largest = Math.max(...lengths);
	if (largest > MAX_VALUE_BYTES) {
		const column = quoteName(columns[lengths.indexOf(largest)] ?? '');
		return `${count(largest)} bytes in ${column} of ${where}: ${most} in a value.`;
	}
	const total = lengths.reduce((sum, length) => sum + length, 0);
	return `${count(total)} bytes in ${where}: ${most} in a row.`;
}
