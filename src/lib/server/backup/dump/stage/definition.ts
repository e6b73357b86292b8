import { quoteText, STAGE, STAGE_VALUES } from '../../sql.ts';

/*
 * A stage: two tables in the database that is backed up, which hold all its pages as one transaction
 * has printed them, to be read at leisure. They are dropped at the end of the backup, and by
 * whichever backup finds them.
 */

/**
 * A page each, by number, of the table with this place in the catalog. `page` has the lengths of the
 * rows, a line end, and the rows. Number 0 has the name of the backup instead: the stage's owner.
 */
const PAGES = `CREATE TABLE ${STAGE} (seq INTEGER PRIMARY KEY, tbl INTEGER, page TEXT)`;
/** The values of rows that may be too long for a page: the n-th such row of the table. */
const VALUES = `CREATE TABLE ${STAGE_VALUES} (tbl INTEGER, n INTEGER, col INTEGER, value, PRIMARY KEY (tbl, n, col)) WITHOUT ROWID`;

/** The tables of a stage, with their exact definitions: others of these names are not ours. */
export const STAGE_TABLES = [
	{ name: STAGE, sql: PAGES },
	{ name: STAGE_VALUES, sql: VALUES },
];

/** Whether an object is one of a stage's tables. */
export function isOfStage({
	type,
	name,
	sql,
}: {
	type: string;
	name: string;
	sql: string;
}): boolean {
	return type === 'table' && STAGE_TABLES.some((table) => table.name === name && table.sql === sql);
}

/** The opposite of {@link isOfStage}, as an SQL condition on columns of `sqlite_schema`. */
export const NOT_OF_STAGE = STAGE_TABLES.map(
	({ name, sql }) => `NOT (m.name = ${quoteText(name)} AND m.sql = ${quoteText(sql)})`,
).join(' AND ');

/** Fails with SQLite's `integer overflow` if a table of one of these names is somebody else's. */
const REQUIRE_OURS = `SELECT iif(EXISTS(SELECT 1 FROM sqlite_schema m WHERE lower(m.name) IN (${STAGE_TABLES.map(({ name }) => quoteText(name)).join(',')}) AND ${NOT_OF_STAGE}),abs(-9223372036854775807-1),1)`;

/** Counts the tables of a stage, as `n`. */
export const HAS_STAGE = `SELECT count(*) AS n FROM sqlite_schema m WHERE m.type = 'table' AND NOT (${NOT_OF_STAGE})`;

/** Statements that drop a stage, whatever is left of it. */
export const DROP_STAGE = [
	REQUIRE_OURS,
	...STAGE_TABLES.map(({ name }) => `DROP TABLE IF EXISTS ${name}`),
];

/** Statements that make an empty stage of a backup, after the last one is dropped. */
export function createStage(owner: string): string[] {
	return [
		...DROP_STAGE,
		...STAGE_TABLES.map(({ sql }) => sql),
		`INSERT INTO ${STAGE} (seq, page) VALUES (0, ${quoteText(owner)})`,
	];
}
