import type { Source } from './sources.ts';
import { bytesOf, identifier, text } from './sql.ts';

/** One thing to read: columns, from what follows FROM. */
export interface Reading {
	heading: string;
	columns: string[];
	from: string;
}

export interface Table {
	name: string;
	columns: string[];
	kind: 'ordinary' | 'search' | 'contentless search' | 'vocabulary';
	/** The name by which its rowids can be read, if there is one. */
	rowid: string | undefined;
}

/** The heading under which the schema is. */
export const schemaHeading = 'schema';

// Excludes the internal tables of the platform and SQLite, some of which cannot even be read. A script
// must add a newline to a statement that ends in a comment, and SQLite keeps it for an index.
const objects = String.raw`(SELECT type, name, tbl_name,
	CASE WHEN sql LIKE '%--%' THEN rtrim(sql, char(10)) ELSE sql END AS sql FROM sqlite_schema
	WHERE name NOT LIKE '\_cf\_%' ESCAPE '\' AND tbl_name NOT LIKE '\_cf\_%' ESCAPE '\'
	AND name NOT LIKE 'sqlite\_stat%' ESCAPE '\' AND name <> 'sqlite_sequence')`;

/** The tables of a database, and the counters of those with AUTOINCREMENT. */
export async function catalog({
	query,
}: Source): Promise<{ tables: Table[]; sequences: Reading[] }> {
	const [columns = [], counters = []] = await query([
		`SELECT m.name AS a, m.sql AS b, l.wr AS c, x.name AS d FROM ${objects} m
			LEFT JOIN pragma_table_list l ON l.name = m.name AND l.schema = 'main'
			LEFT JOIN pragma_table_xinfo(m.name) x ON x.hidden <> 1
			WHERE m.type = 'table' ORDER BY m.name, x.cid`,
		`SELECT 'sqlite_sequence' AS a FROM sqlite_schema WHERE name = 'sqlite_sequence'`,
	]);
	const all = [...Map.groupBy(columns, ([name]) => String(name)).values()].map(table);
	const shadows = new Set(all.flatMap(shadowNames));
	const tables = all.filter(({ name }) => !shadows.has(name));
	const sequences = counters.map(([name]) => reading(String(name), ['name', 'seq'], String(name)));
	return { tables, sequences };
}

function reading(heading: string, columns: string[], from: string): Reading {
	return { heading, columns, from };
}

function table(rows: unknown[][]): Table {
	const [name, sql, withoutRowid] = rows[0] ?? [];
	const columns = rows.map(([, , , column]) => String(column));
	const taken = new Set(columns.map((column) => column.toLowerCase()));
	const rowid = ['rowid', '_rowid_', 'oid'].find((candidate) => !taken.has(candidate));
	return {
		name: String(name),
		columns,
		kind: kindOf(String(sql)),
		rowid: withoutRowid === 1 ? undefined : rowid,
	};
}

function kindOf(sql: string): Table['kind'] {
	const [, module] = /^CREATE VIRTUAL TABLE .*\bUSING\s+(\w+)/is.exec(sql) ?? [];
	if (module?.toLowerCase() === 'fts5vocab') return 'vocabulary';
	if (module?.toLowerCase() !== 'fts5') return 'ordinary';
	return /,\s*content\s*=\s*(''|"")\s*[,)]/i.test(sql) ? 'contentless search' : 'search';
}

function isSearch({ kind }: Table): boolean {
	return kind === 'search' || kind === 'contentless search';
}

// FTS5 may lay out the same contents differently.
function shadowNames(table: Table): string[] {
	const suffixes = ['_data', '_idx', '_content', '_docsize', '_config'];
	return isSearch(table) ? suffixes.map((suffix) => table.name + suffix) : [];
}

/** Every object with its SQL, except those that FTS5 creates itself. */
export function schema(tables: Table[]): Reading {
	const shadows = tables.flatMap(shadowNames).map((name) => text(name));
	const from = `${objects} WHERE tbl_name NOT IN (${shadows.join(', ')})`;
	return reading(schemaHeading, ['name', 'type', 'tbl_name', 'sql'], from);
}

/**
 * SQLite's own integrity check. Old versions complain about valid values or judge a CHECK differently;
 * all values and constraints are compared anyway.
 */
export const checks: Reading[] = [
	reading('foreign_key_check', ['table', 'rowid', 'parent', 'fkid'], 'pragma_foreign_key_check'),
	reading(
		'quick_check',
		['quick_check'],
		`pragma_quick_check WHERE quick_check <> 'ok'
			AND quick_check NOT LIKE '% value in %' AND quick_check NOT LIKE 'CHECK constraint %'`,
	),
];

/** The heading under which a table's rows are. */
export function headingOf({ name }: Table): string {
	return `rows of ${identifier(name)}`;
}

/** A table's rows with their rowids, in rowid order; for FTS5 also its settings. */
export function rowsOf(table: Table): Reading[] {
	if (table.kind === 'vocabulary') return []; // it shows another table
	const settings = isSearch(table) ? [settingsOf(table)] : [];
	if (table.kind === 'contentless search') return [...settings, countsOf(table)];
	const columns = [...(table.rowid === undefined ? [] : [table.rowid]), ...table.columns];
	// Parts of wide rows must come in the same order.
	const from = `${identifier(table.name)} NOT INDEXED`;
	return [reading(headingOf(table), columns, from), ...settings];
}

// Such as a ranking function.
function settingsOf({ name }: Table): Reading {
	const from = `${identifier(`${name}_config`)} WHERE k <> 'version'`;
	return reading(`settings of ${identifier(name)}`, ['k', 'v'], from);
}

// The number of rows and the words in each column, by which FTS5 ranks.
function countsOf({ name }: Table): Reading {
	const from = `${identifier(`${name}_data`)} WHERE id = 1`;
	return reading(`counts of ${identifier(name)}`, ['block'], from);
}

const mostWords = 8;

/** What a full-text search finds for words from its rows, and for one that is unlikely to occur. */
export function matches(table: Table, rows: string[][]): Reading[] {
	if (table.kind !== 'search') return [];
	const name = identifier(table.name);
	const words = new Set(
		rows
			.flat()
			.filter((cell) => cell.startsWith('t'))
			.flatMap(asciiWord),
	);
	return ['nowhere', ...[...words].slice(0, mostWords)].map((word) =>
		reading(
			`matches of ${name} for "${word}"`,
			['rowid'],
			`${name} WHERE ${name} MATCH '"${word}"'`,
		),
	);
}

// At least three letters, because the trigram tokenizer finds nothing shorter. How tokenizers continue
// after a NUL or after invalid UTF-8 differs between versions of SQLite.
function asciiWord(cell: string): string[] {
	const bytes = bytesOf(cell.slice(1, 400));
	if (bytes.some((byte) => byte === 0 || byte >= 0x80)) return [];
	const latin1 = Array.from(bytes, (byte) => String.fromCharCode(byte));
	return (
		latin1
			.join('')
			.match(/\b[a-z]{3,}\b/i)
			?.slice() ?? []
	);
}
