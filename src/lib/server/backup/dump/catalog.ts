import { createHash } from 'node:crypto';
import { LifeboatError } from '../../errors.ts';
import type { Row, StatementResult } from '../database.ts';
import {
	foldCase,
	isOfSqlite,
	notOfD1,
	notOfSqlite,
	quoteName,
	RESTORE_MARKER,
	SEQUENCE,
	TABLES_MARKER,
} from '../sql.ts';
import { textWarnings, virtualTable } from './ddl.ts';
import {
	type Catalog,
	type ForeignKey,
	type SchemaObject,
	SEQUENCE_TABLE,
	type Table,
} from './schema.ts';
import { type ColumnRow, groupByTable, ordinaryTable, tableFacts } from './tables.ts';

/** An object of one of these names means that a restore has not finished. */
const MARKERS = [RESTORE_MARKER, TABLES_MARKER];

const NOT_OF_D1 = `${notOfD1('m.name')} AND ${notOfD1('m.tbl_name')}`;
/**
 * Pragma functions are joined, so that the number of queries does not grow with that of the tables.
 */
const OF_TABLES = `WHERE m.type = 'table' AND ${NOT_OF_D1} AND ${notOfSqlite('m.name')}`;

/** The schema in its own order, without D1's tables, and the place of each object in the file. */
export const SCHEMA_QUERY = `SELECT m.rowid AS place, m.rootpage, m.type, hex(m.name) AS name, hex(m.tbl_name) AS tbl, hex(m.sql) AS sql, m.sql IS NULL AS automatic, total_changes() AS changes FROM sqlite_schema m WHERE ${NOT_OF_D1} ORDER BY m.rowid`;

/** The queries of {@link readCatalog}, run in one batch so that they see the same state. */
const CATALOG_QUERIES = [
	SCHEMA_QUERY,
	`SELECT name, type, wr, total_changes() AS changes FROM pragma_table_list WHERE schema = 'main'`,
	`SELECT m.name AS tbl, x.name, x.type, x.pk, x.hidden FROM sqlite_schema m JOIN pragma_table_xinfo(m.name) x ${OF_TABLES} ORDER BY m.rowid, x.cid`,
	`SELECT m.name AS tbl, f.id, f."table" AS parent, f."to" AS column FROM sqlite_schema m JOIN pragma_foreign_key_list(m.name) f ${OF_TABLES} ORDER BY m.rowid, f.id, f.seq`,
	// For a WITHOUT ROWID table this lists the parts of the primary key (SQLite: PRAGMA index_info).
	`SELECT m.name AS tbl, x.name, x."desc", x.coll FROM sqlite_schema m JOIN pragma_index_xinfo(m.name) x ${OF_TABLES} AND x.key = 1 ORDER BY m.rowid, x.seqno`,
	`SELECT m.name AS tbl FROM sqlite_schema m JOIN pragma_index_list(m.name) i ${OF_TABLES} AND i.origin = 'pk'`,
];

/** Runs statements as one batch and returns their results. */
export type RunBatch = (statements: string[]) => Promise<StatementResult[]>;

/**
 * Reads which objects exist and how to walk each table. The number of queries does not depend on
 * the size of the schema.
 *
 * Throws `schema_not_text` (500) if a name or definition is not valid UTF-8.
 */
export async function readCatalog(run: RunBatch): Promise<Catalog> {
	const [schema = [], list = [], columns = [], references = [], keys = [], indexes = []] = (
		await run(CATALOG_QUERIES)
	).map(({ results }) => results);
	const all = schema.filter((row) => row['automatic'] === 0).map(schemaObject);
	const objects = all.filter((object) => !isOfSqlite(object.name) && !isMarker(object));
	const facts = tableFacts(list, columns, keys, indexes);
	const catalog: Catalog = {
		// Shadow tables are created and dropped with their virtual table.
		objects: objects.filter(
			({ type, name }) => type !== 'table' || facts.get(name)?.kind !== 'shadow',
		),
		tables: [],
		externalFullText: [],
		fullText: [],
		references: foreignKeys(references),
		warnings: [],
		sha256: '',
		identity: identityOf(schema),
		unfinished: all.find(({ name }) => MARKERS.includes(name))?.name ?? null,
	};
	const names = new Set(objects.map((object) => foldCase(object.name)));
	const virtualTables: Table[] = [];
	for (const object of catalog.objects) {
		catalog.warnings.push(...textWarnings(object));
		if (object.type !== 'table') continue;
		const table = facts.get(object.name);
		if (!table) throw new Error(`SQLite does not list the table ${quoteName(object.name)}.`);
		if (table.kind === 'virtual') {
			addVirtualTable(catalog, virtualTables, object, table.columns, names);
		} else {
			catalog.tables.push(ordinaryTable(object, table));
		}
	}
	catalog.tables.push(...virtualTables);
	if (all.some(({ name }) => name === SEQUENCE)) catalog.tables.push(SEQUENCE_TABLE);
	catalog.sha256 = schemaDigest(catalog.objects);
	return catalog;
}

function isMarker({ type, name }: SchemaObject): boolean {
	return type === 'table' && name === RESTORE_MARKER;
}

/** The columns of {@link SCHEMA_QUERY} that tell one schema from another. */
const IDENTIFYING = ['place', 'rootpage', 'type', 'name', 'tbl', 'sql'];

/** The catalog's `identity`, from the rows of {@link SCHEMA_QUERY}. */
export function identityOf(rows: Row[]): string {
	const objects = rows.map((row) => IDENTIFYING.map((column) => row[column]));
	return createHash('sha256').update(JSON.stringify(objects)).digest('hex');
}

/**
 * SHA-256, in hexadecimal, over every object's type, name, table and definition. Space at the end
 * is ignored: a comment at the end of a definition is written with a line end, which SQLite keeps.
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

function foreignKeys(rows: Row[]): Map<string, ForeignKey[]> {
	const found = new Map<string, ForeignKey[]>();
	for (const [table, parts] of groupByTable<Row>(rows)) {
		const keys = new Map<unknown, ForeignKey>();
		for (const part of parts) {
			const key = keys.get(part['id']) ?? { parent: String(part['parent']), columns: [] };
			key.columns.push(part['column'] === null ? null : String(part['column']));
			keys.set(part['id'], key);
		}
		found.set(foldCase(table), [...keys.values()]);
	}
	return found;
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
	if (module !== 'fts5') return; // fts5vocab shows another table's index and has no contents
	catalog.fullText.push(name);

	const content = options.get('content');
	if (content === undefined) {
		virtualTables.push({ ...table, rowid: 'rowid' });
		return;
	}
	if (content === '') {
		catalog.warnings.push(
			`The full-text table ${quoteName(name)} is contentless: the backup has its definition, but not its index, which cannot be read. Fill it again after a restore.`,
		);
		return;
	}
	if (names.has(foldCase(content))) {
		catalog.externalFullText.push({ name, content });
		return;
	}
	catalog.warnings.push(
		`The full-text table ${quoteName(name)} takes its contents from ${quoteName(content)}, which does not exist: the backup does not contain its index.`,
	);
}
