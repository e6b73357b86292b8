/*
 * How a backup's SQL file writes a value that no single statement can hold: in pieces, which the
 * file puts in a table of its own and joins again (docs/format.md, "Digests").
 */

/** The name of that table. Underscores are appended if the database has an object of this name. */
export const SCRATCH = 'lifeboat_scratch';

/** The beginning of every joined value. */
export const JOINED_START = '(SELECT CAST(group_concat(';

/** A joined value: its type, the quoted name of the table, and the numbers of its pieces. */
export const JOINED_PIECES =
	/\(SELECT CAST\(group_concat\(value,''\) AS (TEXT|BLOB)\) FROM ("(?:[^"]|"")*") WHERE id BETWEEN (\d+) AND (\d+)\)/g;

/** The expression that joins the pieces from `first` to `last`; `table` is a quoted name. */
export function joinedPieces(
	table: string,
	type: 'TEXT' | 'BLOB',
	first: number | string,
	last: number | string,
): string {
	return `(SELECT CAST(group_concat(value,'') AS ${type}) FROM ${table} WHERE id BETWEEN ${first} AND ${last})`;
}
