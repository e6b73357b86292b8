/*
 * Names in SQL: how they are quoted and compared, and which are reserved. Values are never printed
 * here: SQLite prints those itself (dump/literals.ts).
 */

/** SQLite's own table of AUTOINCREMENT counters, whose rows are backed up like any other. */
export const SEQUENCE = 'sqlite_sequence';

/**
 * The table that a restore creates first and drops last (restore/claim.ts). No backup contains it.
 */
export const RESTORE_MARKER = 'lifeboat_restore';

/** The marker that older versions created when they restored single tables. */
export const TABLES_MARKER = 'lifeboat_tables';

/** The tables of a stage (dump/stage/). No backup contains them. */
export const STAGE = 'lifeboat_stage';
export const STAGE_VALUES = 'lifeboat_stage_values';

/** `"name"`, with the quotes inside doubled (SQLite: Keywords). */
export function quoteName(name: string): string {
	return `"${name.replaceAll('"', '""')}"`;
}

/** `'text'`, with the quotes inside doubled. For names and other text of our own, not for values. */
export function quoteText(text: string): string {
	return `'${text.replaceAll("'", "''")}'`;
}

/** The text of a token in any of SQLite's four kinds of quotes; any other token as it is. */
export function unquote(token: string): string {
	const open = token.charAt(0);
	if (open === '[') return token.slice(1, -1);
	if (open !== '"' && open !== "'" && open !== '`') return token;
	return token.slice(1, -1).replaceAll(open + open, open);
}

/**
 * A name in lower case, to be compared with others. SQLite ignores the case of ASCII letters in
 * names, and of no other letters.
 */
export function foldCase(name: string): string {
	return name.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

/** Whether D1 keeps a table for itself: `_cf_KV`, `_cf_METADATA`. */
export function isOfD1(name: string): boolean {
	return /^_cf_/i.test(name);
}

/** Whether SQLite keeps a table or index for itself: `sqlite_sequence`, `sqlite_stat1`, ... */
export function isOfSqlite(name: string): boolean {
	return /^sqlite_/i.test(name);
}

/** Whether `ANALYZE` made the table. D1 refuses writes to it. */
export function isStatistics(name: string): boolean {
	return /^sqlite_stat/i.test(name);
}

/** The opposite of {@link isOfD1}, as an SQL condition on a column of names. */
export function notOfD1(column: string): string {
	return String.raw`${column} NOT LIKE '\_cf\_%' ESCAPE '\'`;
}

/** The opposite of {@link isOfSqlite}, as an SQL condition on a column of names. */
export function notOfSqlite(column: string): string {
	return String.raw`${column} NOT LIKE 'sqlite\_%' ESCAPE '\'`;
}
