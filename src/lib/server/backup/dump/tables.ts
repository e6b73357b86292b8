import type { Row } from '../database.ts';
import { foldCase, quoteName } from '../sql.ts';
import { hasKeyword, TokenReader } from '../tokenizer.ts';
import type { KeyPart, Parent, SchemaObject, Table, UniqueIndex } from './schema.ts';

// How to read a table, from what SQLite's pragmas say about it.

/** A row of `pragma_table_xinfo`. */
export interface ColumnRow {
	name: string;
	type: string;
	/** Position in the primary key, from 1; 0 outside it. */
	pk: number;
	/** 0 ordinary, 1 hidden (virtual tables), 2 and 3 generated (SQLite: PRAGMA table_xinfo). */
	hidden: number;
}

/** A part of the primary key of a WITHOUT ROWID table. */
interface KeyRow {
	name: string;
	desc: number;
	coll: string;
}

/** What the pragmas say about a table. */
export interface TableFacts {
	kind: 'table' | 'view' | 'virtual' | 'shadow';
	columns: ColumnRow[];
	withoutRowid: boolean;
	/** In key order; empty for a table with rowids. */
	keyParts: KeyRow[];
	uniqueIndexes: UniqueIndex[];
}

/** The facts about each table, by its name, from the rows of the four pragmas. */
export function tableFacts(
	list: Row[],
	columnRows: Row[],
	keyRows: Row[],
	indexRows: Row[],
): Map<string, TableFacts> {
	const columns = groupByTable<ColumnRow>(columnRows);
	const keyParts = groupByTable<KeyRow>(keyRows);
	const indexes = groupByTable<Row>(indexRows);
	const facts = list.map((row): [string, TableFacts] => {
		const name = String(row['name']);
		const kind = String(row['type']) as TableFacts['kind'];
		return [
			name,
			{
				kind,
				columns: columns.get(name) ?? [],
				withoutRowid: row['wr'] === 1,
				keyParts: keyParts.get(name) ?? [],
				uniqueIndexes: uniqueIndexes(indexes.get(name) ?? []),
			},
		];
	});
	return new Map(facts);
}

function uniqueIndexes(rows: Row[]): UniqueIndex[] {
	const groups = Map.groupBy(rows, ({ name }) => String(name));
	return [...groups].map(([name, parts]) => ({
		name,
		origin: String(parts[0]?.['origin']),
		partial: parts[0]?.['partial'] === 1,
		columns: parts.map(({ column }) => (column === null ? null : String(column))),
	}));
}

/** Rows grouped by their column `tbl`. */
export function groupByTable<T>(rows: Row[]): Map<string, T[]> {
	const groups = new Map<string, T[]>();
	for (const row of rows) {
		const name = String(row['tbl']);
		const group = groups.get(name);
		if (group) group.push(row as T);
		else groups.set(name, [row as T]);
	}
	return groups;
}

/** How to read a table that is not virtual. */
export function ordinaryTable({ name, sql }: SchemaObject, facts: TableFacts): Table {
	const { columns, withoutRowid } = facts;
	const insertable = columns.filter((column) => column.hidden === 0).map((column) => column.name);
	const textColumns = new Set(columns.filter(hasTextAffinity).map((column) => column.name));
	const table = { name, columns: insertable, textColumns, only: null };
	if (withoutRowid) {
		return {
			...table,
			rowid: null,
			key: { kind: 'columns', parts: primaryKey(sql, insertable, facts) },
		};
	}
	const rowid = rowidName(columns);
	const alias = rowidAlias(facts);
	if (alias !== null) {
		const index = insertable.indexOf(alias);
		return {
			...table,
			rowid: null,
			key: { kind: 'rowid', name: rowid ?? quoteName(alias), index },
		};
	}
	return { ...table, rowid, key: rowid ? { kind: 'rowid', name: rowid } : { kind: 'position' } };
}

/**
 * What foreign keys may refer to in a table. `indexes` has the definitions of all indexes by their
 * names.
 */
export function parentOf(
	{ name, sql }: SchemaObject,
	facts: TableFacts,
	indexes: ReadonlyMap<string, string>,
): Parent {
	const { columns } = facts;
	const isUsual = (index: UniqueIndex) => hasUsualCollations(index, sql, indexes.get(index.name));
	return {
		name,
		columns: columns.map((column) => column.name),
		primaryKey: columns.filter((column) => column.pk > 0).map((column) => column.name),
		rowidAlias: rowidAlias(facts),
		uniqueIndexes: facts.uniqueIndexes.filter(isUsual),
	};
}

/**
 * Whether an index certainly has the collations of its columns, as foreign keys need it: no PRAGMA
 * tells those (SQLite: Foreign Key Support, "Required and Suggested Database Indexes").
 */
function hasUsualCollations({ origin }: UniqueIndex, table: string, index = ''): boolean {
	return origin === 'c' ? !hasKeyword(index, 'COLLATE') : !hasCollatedKey(table);
}

/** Whether a PRIMARY KEY or UNIQUE constraint of a table names a collation. */
function hasCollatedKey(sql: string): boolean {
	let depth = 0;
	let before = '';
	const reader = new TokenReader(sql);
	for (let word = reader.keyword(); reader.next !== null; word = reader.keyword()) {
		if (word === '(' && (depth > 0 || before === 'KEY' || before === 'UNIQUE')) depth++;
		if (word === ')' && depth > 0) depth--;
		if (word === 'COLLATE' && depth > 0) return true;
		before = word;
	}
	return false;
}

/**
 * TEXT affinity turns numbers into text (SQLite: Datatypes, "Determination Of Column Affinity").
 */
function hasTextAffinity({ type }: ColumnRow): boolean {
	return !/INT/i.test(type) && /CHAR|CLOB|TEXT/i.test(type);
}

/**
 * The name of the rowid that no ordinary column has taken (SQLite: Rowid Tables); null if none is
 * left.
 */
function rowidName(columns: ColumnRow[]): string | null {
	const taken = new Set(columns.map((column) => foldCase(column.name)));
	return ['rowid', '_rowid_', 'oid'].find((name) => !taken.has(name)) ?? null;
}

/**
 * The column that is the rowid; null if there is none. A single primary key column of type INTEGER is the rowid, unless the column's definition says
 * DESC: then it has an index of its own (SQLite: CREATE TABLE, "INTEGER PRIMARY KEY DESC").
 */
function rowidAlias({ columns, uniqueIndexes: indexes }: TableFacts): string | null {
	const [key, ...more] = columns.filter((column) => column.pk > 0);
	const hasKeyIndex = indexes.some(({ origin }) => origin === 'pk');
	if (!key || more.length > 0 || hasKeyIndex) return null;
	return key.type.toUpperCase() === 'INTEGER' ? key.name : null;
}

function primaryKey(sql: string, insertable: string[], { keyParts }: TableFacts): KeyPart[] {
	// Without this word the key's collation is that of its columns.
	const collated = hasKeyword(sql, 'COLLATE');
	return keyParts.map(({ name, desc, coll }) => ({
		column: name,
		index: insertable.indexOf(name),
		descending: desc === 1,
		collation: collated ? coll : null,
	}));
}
