import type { D1Database } from '@cloudflare/workers-types';

/** What was compared, and the first difference of each table, in words. */
export interface Comparison {
	tables: number;
	rows: number;
	searches: number;
	differences: string[];
}

/** Rows of one page. */
const PAGE_ROWS = 1000;
/** Words to search each full-text table for, and the rows that they come from. */
const MAX_WORDS = 20;
const MAX_WORD_ROWS = 100;
/** Characters of a value in a report. */
const MAX_SHOWN = 60;

/** Rows to read from both databases. */
interface Reading {
	title: string;
	/** Columns that identify a row; none if only its position does. */
	key: string[];
	columns: string[];
	/** What follows FROM. */
	from: string;
}

interface TableRow {
	name: string;
	type: string;
	wr: number;
	column: string;
	pk: number;
	shadows: string | null;
}

interface Table {
	name: string;
	withoutRowid: boolean;
	/** What follows its name in the names of its shadow tables; null unless it is a virtual table. */
	shadows: string[] | null;
	columns: { name: string; pk: number }[];
}

/**
 * Compares all objects, rows and full-text searches of two databases, with queries of its own, so that
 * a mistake in the code that makes backups cannot hide.
 */
export async function compareDatabases(before: D1Database, after: D1Database): Promise<Comparison> {
	const comparison: Comparison = { tables: 0, rows: 0, searches: 0, differences: [] };
	const { difference } = await compareRows(before, after, SCHEMA);
	if (difference) return { ...comparison, differences: [difference] }; // the tables cannot be compared

	for (const table of await readTables(before)) {
		comparison.tables++;
		if (hasRows(table)) {
			const { rows, difference } = await compareRows(before, after, rowsOf(table));
			comparison.rows += rows;
			if (difference) comparison.differences.push(difference);
		}
		if (!table.shadows?.includes('config')) continue; // only full-text tables have one
		const { searches, difference } = await compareFullText(before, after, table);
		comparison.searches += searches;
		if (difference) comparison.differences.push(difference);
	}
	return comparison;
}

// --- What there is to compare ---------------------------------------------------------------

/** All objects except D1's own tables, SQLite's, and those behind full-text tables. */
const OBJECTS = String.raw`(SELECT type, name, tbl_name, sql FROM sqlite_schema
	WHERE name NOT LIKE '\_cf\_%' ESCAPE '\' AND tbl_name NOT LIKE '\_cf\_%' ESCAPE '\'
	AND (name NOT LIKE 'sqlite\_%' ESCAPE '\' OR name = 'sqlite_sequence')
	AND name NOT IN (SELECT name FROM pragma_table_list WHERE type = 'shadow'))`;

/** CR LF counts as LF, because the tools that restore a file replace it. */
const SCHEMA: Reading = {
	title: 'schema',
	key: ['type', 'name'],
	columns: ['tbl_name', 'sql'],
	from: `(SELECT type, name, tbl_name, rtrim(replace(sql, char(13, 10), char(10)), char(10)) AS sql
		FROM ${OBJECTS}) ORDER BY type, name`,
};

async function readTables(database: D1Database): Promise<Table[]> {
	const { results } = await database
		.prepare(
			`SELECT o.name, l.type, l.wr, x.name AS column, x.pk,
				(SELECT group_concat(substr(s.name, length(o.name) + 2)) FROM pragma_table_list s
				WHERE s.type = 'shadow' AND s.schema = 'main' AND s.name LIKE replace(o.name, '_', '!_') || '!_%' ESCAPE '!') AS shadows
			FROM ${OBJECTS} o JOIN pragma_table_list l ON l.name = o.name AND l.schema = 'main'
			JOIN pragma_table_xinfo(o.name) x ON x.hidden <> 1
			WHERE o.type = 'table' ORDER BY o.name, x.cid`,
		)
		.all<TableRow>();
	return [...Map.groupBy(results, ({ name }) => name)].map(([name, rows]) => ({
		name,
		withoutRowid: rows[0]?.wr === 1,
		shadows: rows[0]?.type === 'virtual' ? (rows[0].shadows?.split(',') ?? []) : null,
		columns: rows.map(({ column, pk }) => ({ name: column, pk })),
	}));
}

/** False for a virtual table whose rows are in another table, or nowhere. */
function hasRows({ shadows }: Table): boolean {
	if (shadows === null) return true;
	return shadows.includes('config') ? shadows.includes('content') : shadows.length > 0;
}

function rowsOf(table: Table): Reading {
	const key = keyOf(table);
	const order = key.length > 0 ? `ORDER BY ${key.map(quoted).join(', ')}` : '';
	const columns = table.columns.map(({ name }) => name).filter((name) => !key.includes(name));
	return { title: table.name, key, columns, from: `${quoted(table.name)} ${order}` };
}

/** The name of the rowid, unless columns have taken all three; without rowids, the primary key. */
function keyOf({ name, columns, withoutRowid }: Table): string[] {
	if (name === 'sqlite_sequence') return ['name']; // its rowids have no meaning
	if (withoutRowid) {
		const parts = columns.filter(({ pk }) => pk > 0).sort((a, b) => a.pk - b.pk);
		return parts.map((column) => column.name);
	}
	const taken = new Set(columns.map((column) => column.name.toLowerCase()));
	return ['rowid', '_rowid_', 'oid'].filter((word) => !taken.has(word)).slice(0, 1);
}

// --- How rows are compared ------------------------------------------------------------------

/** Compares page by page, up to the first row that differs. */
async function compareRows(
	before: D1Database,
	after: D1Database,
	reading: Reading,
): Promise<{ rows: number; difference: string | null }> {
	for (let offset = 0; ; offset += PAGE_ROWS) {
		const [was = [], is = []] = await Promise.all(
			[before, after].map((database) => readPage(database, reading, offset)),
		);
		const length = Math.max(was.length, is.length);
		for (let at = 0; at < length; at++) {
			if (was[at] === is[at]) continue;
			return { rows: offset + at, difference: describe(reading, was, is, at, offset) };
		}
		if (length < PAGE_ROWS) return { rows: offset + length, difference: null };
	}
}

async function readPage(
	database: D1Database,
	{ key, columns, from }: Reading,
	offset: number,
): Promise<string[]> {
	const cells = [...key, ...columns].map((name) => exact(quoted(name)));
	const rows = await database
		.prepare(
			`SELECT json_array(${cells.join(', ')}) FROM ${from} LIMIT ${PAGE_ROWS} OFFSET ${offset}`,
		)
		.raw<[string]>();
	return rows.map(([row]) => row);
}

/**
 * SQL for a value's storage class and the value, in ASCII. 17 digits distinguish all doubles except
 * the two zeros.
 */
function exact(value: string): string {
	return `CASE typeof(${value}) WHEN 'null' THEN 'null' WHEN 'integer' THEN 'integer ' || ${value}
		WHEN 'real' THEN iif(${value} = 0 AND atan2(${value}, -1) < 0, 'real -0.0', printf('real %!.17g', ${value}))
		ELSE typeof(${value}) || ' ' || hex(${value}) END`;
}

function quoted(name: string): string {
	return `"${name.replaceAll('"', '""')}"`;
}

// --- How full text is compared --------------------------------------------------------------

async function compareFullText(
	before: D1Database,
	after: D1Database,
	table: Table,
): Promise<{ searches: number; difference: string | null }> {
	const words = await wordsIn(before, table);
	const [was = [], is = []] = await Promise.all(
		[before, after].map((database) => search(database, table, words)),
	);
	const at = words.findIndex((_, index) => was[index] !== is[index]);
	if (at === -1) return { searches: words.length, difference: null };
	const difference = `${table.name}: a search for "${words[at]}" found rows ${was[at]}, finds ${is[at]}`;
	return { searches: words.length, difference };
}

/** Distinct words of the table's first rows; none for a table without contents. */
async function wordsIn(database: D1Database, { name }: Table): Promise<string[]> {
	const rows = await database.prepare(`SELECT * FROM ${quoted(name)} LIMIT ${MAX_WORD_ROWS}`).raw();
	const texts = rows.flat().filter((value) => typeof value === 'string');
	const words = texts.flatMap((text) => text.match(/\b[A-Za-z]{3,}\b/g) ?? []);
	return [...new Set(words)].slice(0, MAX_WORDS);
}

/** The rowids that a search for each word finds. */
async function search(
	database: D1Database,
	{ name }: Table,
	words: string[],
): Promise<(string | undefined)[]> {
	if (words.length === 0) return [];
	const statement = database.prepare(
		`SELECT json_group_array(CAST(rowid AS TEXT)) AS rowids
		FROM (SELECT rowid FROM ${quoted(name)} (?) ORDER BY rowid)`,
	);
	const results = await database.batch<{ rowids: string }>(
		words.map((word) => statement.bind(`"${word}"`)),
	);
	return results.map((result) => result.results[0]?.rowids);
}

// --- How a difference is described ---------------------------------------------------------------

/** Describes the difference at position `at` of two pages, which begin at row `offset`. */
function describe(
	{ title, key, columns }: Reading,
	was: string[],
	is: string[],
	at: number,
	offset: number,
): string {
	const keyCells = (row: string | undefined) => cellsOf(row).slice(0, key.length);
	const isAmong = (row: string, rows: string[]) =>
		rows.some((other) => String(keyCells(other)) === String(keyCells(row)));
	const label = (row: string | undefined) => {
		if (key.length === 0) return `${title}: row ${offset + at + 1}`;
		const parts = keyCells(row).map((cell, index) => `${key[index]} ${readable(cell)}`);
		return `${title}: ${parts.join(', ')}`;
	};
	const [before, after] = [was[at], is[at]];
	if (before === undefined) return `${label(after)} was not there before`;
	if (after === undefined || !isAmong(before, is)) return `${label(before)} is missing`;
	if (!isAmong(after, was)) return `${label(after)} was not there before`;

	const [old, now] = [cellsOf(before), cellsOf(after)];
	const changes = [...key, ...columns].flatMap((name, index) => {
		const [a = '', b = ''] = [old[index], now[index]];
		return a === b ? [] : [`${name} was ${readable(a)}, is ${readable(b)}`];
	});
	return `${label(before)}: ${changes.join('; ')}`;
}

function cellsOf(row = '[]'): string[] {
	return JSON.parse(row) as string[];
}

function readable(cell: string): string {
	const [type, value = ''] = cell.split(' ');
	if (type === 'text') return shortened(JSON.stringify(Buffer.from(value, 'hex').toString()));
	if (type === 'blob') return `blob ${shortened(value)}`;
	return cell;
}

function shortened(text: string): string {
	return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;
}
