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
import { parseFullText, parseVirtualTable, shadowTables } from '../virtual-table.ts';
import { textWarnings } from './ddl.ts';
import { foreignKeys } from './foreign-keys.ts';
import {
	type Catalog,
	type FullTextTable,
	type SchemaObject,
	SEQUENCE_TABLE,
	type Table,
} from './schema.ts';
import { isOfStage, NOT_OF_STAGE } from '../stage-tables.ts';
import { ordinaryTable, parentOf, tableFacts, type TableFacts } from './tables.ts';

/** An object of one of these names means that a restore has not finished. */
const MARKERS = [RESTORE_MARKER, TABLES_MARKER];

const NOT_OF_D1 = `${notOfD1('m.name')} AND ${notOfD1('m.tbl_name')}`;
/**
 * Pragma functions are joined, so that the number of queries does not grow with that of the tables.
 */
const OF_TABLES = `WHERE m.type = 'table' AND ${NOT_OF_D1} AND ${notOfSqlite('m.name')}`;

/** The schema in its own order, without D1's tables, and the place of each object in the file. */
export const SCHEMA_QUERY = `SELECT m.rowid AS place, m.rootpage, m.type, hex(m.name) AS name, hex(m.tbl_name) AS tbl, hex(m.sql) AS sql, m.sql IS NULL AS automatic, total_changes() AS changes FROM sqlite_schema m WHERE ${NOT_OF_D1} AND ${NOT_OF_STAGE} ORDER BY m.rowid`;

/** The queries of {@link readCatalog}, run in one batch so that they see the same state. */
const CATALOG_QUERIES = [
	SCHEMA_QUERY,
	`SELECT name, type, wr, total_changes() AS changes FROM pragma_table_list WHERE schema = 'main'`,
	`SELECT m.name AS tbl, x.name, x.type, x.pk, x.hidden FROM sqlite_schema m JOIN pragma_table_xinfo(m.name) x ${OF_TABLES} ORDER BY m.rowid, x.cid`,
	`SELECT m.name AS tbl, f.id, f."table" AS parent, f."from", f."to" AS column FROM sqlite_schema m JOIN pragma_foreign_key_list(m.name) f ${OF_TABLES} ORDER BY m.rowid, f.id, f.seq`,
	// For a WITHOUT ROWID table this lists the parts of the primary key (SQLite: PRAGMA index_info).
	`SELECT m.name AS tbl, x.name, x."desc", x.coll FROM sqlite_schema m JOIN pragma_index_xinfo(m.name) x ${OF_TABLES} AND x.key = 1 ORDER BY m.rowid, x.seqno`,
	`SELECT m.name AS tbl, i.name, i.origin, i.partial, x.name AS column FROM sqlite_schema m JOIN pragma_index_list(m.name) i JOIN pragma_index_xinfo(i.name) x ${OF_TABLES} AND i."unique" = 1 AND x.key = 1 ORDER BY m.rowid, i.seq, x.seqno`,
];

/** Runs statements as one batch and returns their results. */
export type RunBatch = (statements: string[]) => Promise<StatementResult[]>;

/**
 * Reads which objects exist and how to walk each table. The number of queries does not depend on
 * the size of the schema.
 *
 * Throws `schema_not_text` (500) if a name or definition is not valid UTF-8, and
 * `table_not_supported` (422) for a virtual table that no backup can contain.
 */
export async function readCatalog(run: RunBatch): Promise<Catalog> {
	const [schema = [], list = [], columns = [], references = [], keys = [], indexes = []] = (
		await run(CATALOG_QUERIES)
	).map(({ results }) => results);
	const facts = tableFacts(list, columns, keys, indexes);
	const all = schema.filter((row) => row['automatic'] === 0).map((row) => schemaObject(row, facts));
	const named = all.filter((object) => !isOfSqlite(object.name) && !isOurs(object));
	const shadows = new Set(named.filter(({ virtual }) => virtual).flatMap(shadowsOf));
	const objects = named.filter(
		({ type, name }) => type !== 'table' || !shadows.has(foldCase(name)),
	);
	const ordinary = objects.filter(({ type, virtual }) => type === 'table' && !virtual);
	const virtual = objects.filter((object) => object.virtual);
	const definitions = new Map(
		objects.filter(({ type }) => type === 'index').map(({ name, sql }) => [name, sql]),
	);
	const factsOf = ({ name }: SchemaObject) => factsAbout(facts, name);
	const hasCounters = all.some(({ name }) => name === SEQUENCE);
	return {
		objects,
		tables: [
			...ordinary.map((object) => ordinaryTable(object, factsOf(object))),
			...virtual.filter(hasOwnRows).map((object) => virtualTable(object, factsOf(object))),
			...(hasCounters ? [SEQUENCE_TABLE] : []),
		],
		fullText: virtual.flatMap((object) => fullTextTable(object, factsOf(object), facts)),
		references: foreignKeys(references),
		parents: new Map(
			ordinary.map((object) => [
				foldCase(object.name),
				parentOf(object, factsOf(object), definitions),
			]),
		),
		warnings: objects.flatMap(textWarnings),
		sha256: schemaDigest(objects),
		identity: identityOf(schema),
		unfinished: all.find(({ name }) => MARKERS.includes(name))?.name ?? null,
	};
}

function factsAbout(facts: Map<string, TableFacts>, name: string): TableFacts {
	const found = facts.get(name);
	if (!found) throw new Error(`SQLite does not list the table ${quoteName(name)}.`);
	return found;
}

/**
 * The shadow tables that come and go with a virtual table. Other tables of such names are listed by
 * SQLite as shadow tables too, but have rows of their own.
 */
function shadowsOf({ name, sql }: SchemaObject): string[] {
	const shadows = shadowTables(name, sql);
	if (shadows === null) throw notSupported(name, parseVirtualTable(sql)?.module ?? '');
	return shadows;
}

/** Whether Lifeboat made the table, which is in no backup. */
function isOurs(object: SchemaObject): boolean {
	return (object.type === 'table' && object.name === RESTORE_MARKER) || isOfStage(object);
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

function schemaObject(row: Row, facts: Map<string, TableFacts>): SchemaObject {
	const type = String(row['type']) as SchemaObject['type'];
	const name = decodeHex(String(row['name']));
	return {
		type,
		name,
		table: decodeHex(String(row['tbl'])),
		sql: decodeHex(String(row['sql'])),
		virtual: type === 'table' && facts.get(name)?.kind === 'virtual',
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

/** Whether a virtual table keeps rows of its own that a query returns. */
function hasOwnRows({ sql }: SchemaObject): boolean {
	const fullText = parseFullText(sql);
	return fullText ? fullText.content === 'own' : parseVirtualTable(sql)?.module !== 'fts5vocab';
}

function virtualTable({ name, sql }: SchemaObject, { columns }: TableFacts): Table {
	return {
		name,
		columns: columns.filter((column) => column.hidden === 0).map((column) => column.name),
		textColumns: new Set(),
		rowid: parseFullText(sql) ? 'rowid' : null,
		key: { kind: 'rowid', name: 'rowid' },
		only: null,
	};
}

/** Throws `table_not_supported` (422) if its own rows are not where its definition puts them. */
function fullTextTable(
	object: SchemaObject,
	{ columns }: TableFacts,
	facts: Map<string, TableFacts>,
): FullTextTable[] {
	const { name, sql } = object;
	const options = parseFullText(sql);
	if (options === null) return [];
	if (options.content === 'own' && !facts.has(`${name}_content`)) throw notSupported(name, 'fts5');
	const shown = columns.filter((column) => column.hidden === 0);
	return [{ name, options, columns: shown.map((column) => column.name) }];
}

function notSupported(name: string, module: string): LifeboatError {
	return new LifeboatError(
		`The virtual table ${quoteName(name)} (${module || 'unknown module'}) cannot be backed up: Lifeboat does not know where its rows are.`,
		{
			code: 'table_not_supported',
			status: 422,
			hint: 'Nothing was stored. Lifeboat knows fts5, fts5vocab, rtree and rtree_i32. Drop the table, or copy its rows to an ordinary one.',
		},
	);
}
