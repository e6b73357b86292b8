import { createHash } from 'node:crypto';
import { LifeboatError } from '../../errors.ts';
import { RESTORE_MARKER, type Row, type StatementResult } from '../database.ts';
import { quoteName } from './literals.ts';
import { textWarnings, virtualTable } from './texts.ts';

/** A row of `sqlite_schema` that a backup carries. */
export interface SchemaObject {
	type: 'table' | 'index' | 'view' | 'trigger';
	name: string;
	/** The table or view that an index or trigger belongs to. */
	table: string;
	sql: string;
}

/** One part of the key that a table's rows are ordered by. */
export interface KeyPart {
	column: string;
	/** Where the column stands among those that an INSERT names. */
	index: number;
	descending: boolean;
	/** Null where the column's own collation is the key's. */
	collation: string | null;
}

/**
 * How to walk a table in a stable order: by its rowid (`name` is the word that reaches it), by the
 * primary key of a WITHOUT ROWID table, or, where ordinary columns took all three names of the
 * rowid, by position.
 */
export type Key =
	{ kind: 'rowid'; name: string } | { kind: 'columns'; parts: KeyPart[] } | { kind: 'position' };

/** A table whose rows a backup carries. */
export interface Table {
	name: string;
	/** Columns that an INSERT may name: all but generated ones. */
	columns: string[];
	/** Those of them whose affinity lets them hold text, blobs and NULLs only. */
	textColumns: ReadonlySet<string>;
	/** Set when the rowid is no column of the table and has to be written beside them. */
	rowid: string | null;
	key: Key;
}

/** A full-text table whose index is made from the contents of another table or view. */
export interface ExternalFullText {
	name: string;
	content: string;
}

/** Everything that the schema says, in the order in which `sqlite_schema` says it. */
export interface Catalog {
	objects: SchemaObject[];
	/** Tables with rows of their own: ordinary ones, virtual ones, `sqlite_sequence` if there is one. */
	tables: Table[];
	/** FTS5 tables to be filled by a rebuild. */
	externalFullText: ExternalFullText[];
	/** Own-content and external FTS5 tables: name -> options set through the `rank` column. */
	fullText: string[];
	/** Tables that foreign keys point at, by lower-cased name of the table that holds the key. */
	references: Map<string, ForeignKey[]>;
	/** What this backup cannot carry, as sentences for people. */
	warnings: string[];
	/** SHA-256 over all objects; line ends count as LF, which restoring tools turn CR LF into. */
	sha256: string;
}

export interface ForeignKey {
	parent: string;
	/** The parent's columns; null where the key means the parent's primary key. */
	columns: (string | null)[];
}

/** D1's own tables, SQLite's own tables, and whatever hangs on them, are no part of a backup. */
const OURS = String.raw`name NOT LIKE '\_cf\_%' ESCAPE '\' AND tbl_name NOT LIKE '\_cf\_%' ESCAPE '\' AND name NOT LIKE 'sqlite\_%' ESCAPE '\' AND name <> '${RESTORE_MARKER}'`;
const OUR_TABLES = String.raw`m.type = 'table' AND m.name NOT LIKE '\_cf\_%' ESCAPE '\' AND m.name NOT LIKE 'sqlite\_%' ESCAPE '\'`;

const OBJECTS = `SELECT type, hex(name) AS name, hex(tbl_name) AS tbl, hex(sql) AS sql FROM sqlite_schema WHERE sql IS NOT NULL AND ${OURS} ORDER BY rowid`;

/**
 * The statements that {@link readCatalog} needs the results of, to be run in one batch so that
 * they see one state. Joins with pragma functions keep their number apart from that of the tables.
 */
const CATALOG_QUERIES = [
	OBJECTS,
	`SELECT name, type, wr FROM pragma_table_list WHERE schema = 'main'`,
	`SELECT m.name AS tbl, x.name, x.type, x.pk, x.hidden FROM sqlite_schema m JOIN pragma_table_xinfo(m.name) x WHERE ${OUR_TABLES} ORDER BY m.rowid, x.cid`,
	`SELECT m.name AS tbl, f.id, f."table" AS parent, f."to" AS column FROM sqlite_schema m JOIN pragma_foreign_key_list(m.name) f WHERE ${OUR_TABLES} ORDER BY m.rowid, f.id, f.seq`,
	`SELECT count(*) AS n, total_changes() AS changes FROM sqlite_schema WHERE name = 'sqlite_sequence'`,
];

/** What {@link readCatalog} may ask once it knows the tables: statements in, results out. */
export type RunBatch = (statements: string[]) => Promise<StatementResult[]>;

interface ColumnRow {
	name: string;
	type: string;
	/** Position in the primary key, from 1; 0 outside it. */
	pk: number;
	/** 0 ordinary, 1 hidden (virtual tables), 2 and 3 generated (SQLite: PRAGMA table_xinfo). */
	hidden: number;
}

/**
 * Reads which objects exist and how each table is to be walked.
 *
 * Throws `schema_not_text` (500) when the schema's text is not valid UTF-8.
 */
export async function readCatalog(run: RunBatch): Promise<Catalog> {
	const [objectRows, listRows, columnRows, keyRows, sequence] = await run(CATALOG_QUERIES);
	const objects = (objectRows?.results ?? []).map(schemaObject);
	const list = new Map((listRows?.results ?? []).map((row) => [String(row['name']), row]));
	const columns = groupByTable<ColumnRow>(columnRows?.results ?? []);

	const catalog: Catalog = {
		objects: [],
		tables: [],
		externalFullText: [],
		fullText: [],
		references: foreignKeys(keyRows?.results ?? []),
		warnings: [],
		sha256: '',
	};
	const names = new Set(objects.map((object) => object.name.toLowerCase()));
	const virtualTables: Table[] = [];

	for (const object of objects) {
		const row = list.get(object.name);
		// The shadow tables of a virtual table come and go with it.
		if (object.type === 'table' && row?.['type'] === 'shadow') continue;
		catalog.objects.push(object);
		catalog.warnings.push(...textWarnings(object));
		if (object.type !== 'table') continue;

		const tableColumns = columns.get(object.name) ?? [];
		if (row?.['type'] === 'virtual') {
			addVirtualTable(catalog, virtualTables, object, tableColumns, names);
		} else {
			const withoutRowid = row?.['wr'] === 1;
			catalog.tables.push(await ordinaryTable(object, tableColumns, withoutRowid, run));
		}
	}
	catalog.tables.push(...virtualTables);
	if (sequence?.results[0]?.['n'] === 1) catalog.tables.push(SEQUENCE);
	catalog.sha256 = schemaDigest(catalog.objects);
	return catalog;
}

/** SQLite's own table of AUTOINCREMENT counters: rows to be kept like any other. */
export const SEQUENCE: Table = {
	name: 'sqlite_sequence',
	columns: ['name', 'seq'],
	textColumns: new Set(),
	rowid: null,
	key: { kind: 'rowid', name: 'rowid' },
};

/**
 * SHA-256, in hexadecimal, over every object's type, name, table and text. SQLite keeps the line
 * end that has to follow a comment at the end of a definition, so that does not count.
 */
function schemaDigest(objects: SchemaObject[]): string {
	const lines = objects.map(({ type, name, table, sql }) =>
		JSON.stringify([type, name, table, sql.replaceAll('\r\n', '\n').trimEnd()]),
	);
	return createHash('sha256').update(lines.sort().join('\n')).digest('hex');
}

function schemaObject(row: Row): SchemaObject {
	return {
		type: String(row['type']) as SchemaObject['type'],
		name: decodeHex(String(row['name'])),
		table: decodeHex(String(row['tbl'])),
		sql: decodeHex(String(row['sql'])),
	};
}

function decodeHex(hex: string): string {
	try {
		return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(
			Uint8Array.from(hex.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16)),
		);
	} catch (cause) {
		throw new LifeboatError('A name or definition in the schema is not valid UTF-8.', {
			code: 'schema_not_text',
			status: 500,
			hint: 'Rename the object, or create it again, with valid UTF-8 text.',
			cause,
		});
	}
}

function groupByTable<T>(rows: Row[]): Map<string, T[]> {
	const groups = new Map<string, T[]>();
	for (const row of rows) {
		const name = String(row['tbl']);
		const group = groups.get(name);
		if (group) group.push(row as T);
		else groups.set(name, [row as T]);
	}
	return groups;
}

function foreignKeys(rows: Row[]): Map<string, ForeignKey[]> {
	const found = new Map<string, ForeignKey[]>();
	for (const [table, parts] of groupByTable<Row>(rows)) {
		const keys = new Map<unknown, ForeignKey>();
		for (const part of parts) {
			const key = keys.get(part['id']) ?? { parent: String(part['parent']), columns: [] };
			key.columns.push(part['column'] === null ? null : String(part['column']));
			keys.set(part['id'], key);
		}
		found.set(table.toLowerCase(), [...keys.values()]);
	}
	return found;
}

async function ordinaryTable(
	{ name, sql }: SchemaObject,
	columns: ColumnRow[],
	withoutRowid: boolean,
	run: RunBatch,
): Promise<Table> {
	const insertable = columns.filter((column) => column.hidden === 0).map((column) => column.name);
	const textColumns = new Set(columns.filter(hasTextAffinity).map((column) => column.name));
	if (withoutRowid) {
		return {
			name,
			columns: insertable,
			textColumns,
			rowid: null,
			key: { kind: 'columns', parts: await primaryKey(name, sql, columns, insertable, run) },
		};
	}
	const rowid = rowidName(columns);
	if (await hasRowidAlias(name, sql, columns, run)) {
		const alias = columns.find((column) => column.pk === 1)?.name ?? '';
		return {
			name,
			columns: insertable,
			textColumns,
			rowid: null,
			key: { kind: 'rowid', name: rowid ?? quoteName(alias) },
		};
	}
	const key: Key = rowid ? { kind: 'rowid', name: rowid } : { kind: 'position' };
	return { name, columns: insertable, textColumns, rowid, key };
}

/** Such a column turns numbers into text (SQLite: Datatypes, "Determination Of Column Affinity"). */
function hasTextAffinity({ type }: ColumnRow): boolean {
	return !/INT/i.test(type) && /CHAR|CLOB|TEXT/i.test(type);
}

/** The word that reaches the rowid: an ordinary column of that name hides it (SQLite: Rowid Tables). */
function rowidName(columns: ColumnRow[]): string | null {
	const taken = new Set(columns.map((column) => column.name.toLowerCase()));
	return ['rowid', '_rowid_', 'oid'].find((name) => !taken.has(name)) ?? null;
}

/**
 * A single primary key column of type INTEGER is the rowid, unless it was declared DESC in the
 * column's definition (SQLite: CREATE TABLE, "INTEGER PRIMARY KEY DESC"): then it has an index.
 */
async function hasRowidAlias(
	name: string,
	sql: string,
	columns: ColumnRow[],
	run: RunBatch,
): Promise<boolean> {
	const keys = columns.filter((column) => column.pk > 0);
	if (keys.length !== 1 || keys[0]?.type.toUpperCase() !== 'INTEGER') return false;
	if (!/\bDESC\b/i.test(sql)) return true;
	const [indexes] = await run([`PRAGMA index_list(${quoteName(name)})`]);
	return !(indexes?.results ?? []).some((index) => index['origin'] === 'pk');
}

async function primaryKey(
	name: string,
	sql: string,
	columns: ColumnRow[],
	insertable: string[],
	run: RunBatch,
): Promise<KeyPart[]> {
	// Only these words can make the key's order differ from that of its columns in ascending bytes.
	if (!/\b(DESC|COLLATE)\b/i.test(sql)) {
		return columns
			.filter((column) => column.pk > 0)
			.sort((a, b) => a.pk - b.pk)
			.map(({ name: column }) => ({
				column,
				index: insertable.indexOf(column),
				descending: false,
				collation: null,
			}));
	}
	// For a WITHOUT ROWID table this gives the primary key's parts (SQLite: PRAGMA index_info).
	const [index] = await run([`PRAGMA index_xinfo(${quoteName(name)})`]);
	return (index?.results ?? [])
		.filter((part) => part['key'] === 1)
		.map((part) => ({
			column: String(part['name']),
			index: insertable.indexOf(String(part['name'])),
			descending: part['desc'] === 1,
			collation: String(part['coll']),
		}));
}

function addVirtualTable(
	catalog: Catalog,
	virtualTables: Table[],
	{ name, sql }: SchemaObject,
	columns: ColumnRow[],
	names: Set<string>,
): void {
	const { module, options } = virtualTable(sql);
	const table: Table = {
		name,
		columns: columns.filter((column) => column.hidden === 0).map((column) => column.name),
		textColumns: new Set(),
		rowid: null,
		key: { kind: 'rowid', name: 'rowid' },
	};
	if (module === 'rtree' || module === 'rtree_i32') {
		virtualTables.push(table);
		return;
	}
	if (module !== 'fts5') return; // fts5vocab: a view of an index, with nothing of its own
	catalog.fullText.push(name);

	const content = options.get('content');
	if (content === undefined) {
		virtualTables.push({ ...table, rowid: 'rowid' });
		return;
	}
	if (content === '') {
		catalog.warnings.push(
			`The full-text table ${quoteName(name)} is contentless: its structure is kept, but its index cannot be read out. Fill it again after a restore.`,
		);
		return;
	}
	if (names.has(content.toLowerCase())) {
		catalog.externalFullText.push({ name, content });
		return;
	}
	catalog.warnings.push(
		`The full-text table ${quoteName(name)} takes its contents from ${quoteName(content)}, which does not exist: its index is not kept.`,
	);
}
