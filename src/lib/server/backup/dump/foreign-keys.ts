import type { Row } from '../database.ts';
import { foldCase, isOfD1, isOfSqlite, quoteName, SEQUENCE } from '../sql.ts';
import type { Catalog, ForeignKey, UniqueIndex } from './schema.ts';
import { groupByTable } from './tables.ts';

/*
 * What foreign keys need while their rows are inserted. D1 checks them always, and refuses even a
 * row whose key is NULL if the parent is no table or its key has no UNIQUE index (SQLite: Foreign
 * Key Support, "Required and Suggested Database Indexes").
 */

/** The foreign keys of each table, by its folded name, from the rows of the pragma. */
export function foreignKeys(rows: Row[]): Map<string, ForeignKey[]> {
	const found = new Map<string, ForeignKey[]>();
	for (const [child, parts] of groupByTable<Row>(rows)) {
		const keys = Map.groupBy(parts, ({ id }) => id);
		found.set(
			foldCase(child),
			[...keys.values()].map((key) => ({
				child,
				from: key.map((part) => String(part['from'])),
				parent: String(key[0]?.['parent']),
				columns: key.map(({ column }) => (column === null ? null : String(column))),
			})),
		);
	}
	return found;
}

/** A table that stands in for a parent while rows are inserted. */
export interface StandIn {
	name: string;
	sql: string;
}

/** Stand-ins for parents that are no tables: they were dropped, or are views. */
export function standIns(catalog: Catalog): StandIn[] {
	const groups = Map.groupBy(
		allKeys(catalog).filter(({ parent }) => !isTable(catalog, parent) && !isReserved(parent)),
		({ parent }) => foldCase(parent),
	);
	return [...groups.values()].map((keys) => standIn(keys));
}

function standIn(references: ForeignKey[]): StandIn {
	const name = references[0]?.parent ?? '';
	const columns = new Set<string>();
	const keys = new Set<string>();
	for (const reference of references) {
		const names = reference.columns.map((column, index) =>
			foldCase(quoteName(column ?? `key${index}`)),
		);
		names.forEach((column) => columns.add(column));
		keys.add(`${reference.columns[0] === null ? 'PRIMARY KEY' : 'UNIQUE'}(${names.join(',')})`);
	}
	return { name, sql: `CREATE TABLE ${quoteName(name)} (${[...columns, ...keys].join(',')});\n` };
}

/** Columns of a table that a foreign key refers to, without a UNIQUE index on them. */
export interface ParentKey {
	table: string;
	columns: string[];
}

/** What is wrong with a foreign key: why D1 would refuse rows of its table. */
export type Mismatch =
	/** Rows whose key is not NULL refer to something that is no table. */
	| { kind: 'no table'; key: ForeignKey }
	/** The parent's columns exist, but no UNIQUE index is on them. */
	| { kind: 'no index'; key: ForeignKey; parent: ParentKey }
	/** The parent does not have these columns, or no primary key of as many. */
	| { kind: 'no columns'; key: ForeignKey };

/** The foreign keys that D1 would not accept. */
export function mismatches(catalog: Catalog): Mismatch[] {
	return allKeys(catalog).flatMap((key) => mismatch(catalog, key) ?? []);
}

function mismatch(catalog: Catalog, key: ForeignKey): Mismatch | null {
	const { parent, columns } = key;
	if (isReserved(parent)) return { kind: 'no columns', key };
	if (!isTable(catalog, parent)) return { kind: 'no table', key };
	const facts = catalog.parents.get(foldCase(parent));
	if (!facts) return { kind: 'no columns', key };
	const named = columns.filter((column) => column !== null);
	if (named.length === 0) {
		return facts.primaryKey.length === columns.length ? null : { kind: 'no columns', key };
	}
	if (facts.rowidAlias !== null && isSame(named, [facts.rowidAlias])) return null;
	if (facts.uniqueIndexes.some((index) => isFor(index, named))) return null;
	const known = new Set(facts.columns.map(foldCase));
	if (!named.every((column) => known.has(foldCase(column)))) return { kind: 'no columns', key };
	return { kind: 'no index', key, parent: { table: facts.name, columns: named } };
}

/**
 * A query whose column `refused` is 1 if D1 would refuse rows that the database has, of the child or
 * of the parent.
 */
export function refusalQuery(found: Mismatch): string {
	const { child, from, parent } = found.key;
	const conditions = from.map((column) => `${quoteName(column)} IS NOT NULL`).join(' AND ');
	const hasRows = (table: string) => `EXISTS(SELECT 1 FROM ${quoteName(table)})`;
	const parentHasRows = isReserved(parent) ? foldCase(parent) === SEQUENCE : hasRows(parent);
	const refused = {
		'no table': () => `EXISTS(SELECT 1 FROM ${quoteName(child)} WHERE ${conditions})`,
		'no columns': () => `${hasRows(child)} OR ${parentHasRows}`,
		'no index': () => hasDuplicates(found),
	};
	return `SELECT ${refused[found.kind]()} AS refused,total_changes() AS changes`;
}

/** Whether two rows of the parent have the same key, for which there can be no UNIQUE index. */
function hasDuplicates(found: Mismatch): string {
	if (found.kind !== 'no index') return 'FALSE';
	const columns = found.parent.columns.map(quoteName);
	const conditions = columns.map((column) => `${column} IS NOT NULL`).join(' AND ');
	return `EXISTS(SELECT 1 FROM ${quoteName(found.parent.table)} WHERE ${conditions} GROUP BY ${columns.join(',')} HAVING count(*)>1)`;
}

/** Why D1 would refuse the rows, and what to do, in a sentence. */
export function describe({ kind, key }: Mismatch): string {
	const { child, from, parent, columns } = key;
	const names = (list: string[]) => list.map(quoteName).join(', ');
	const named = columns.filter((column) => column !== null);
	const target = named.length > 0 ? `${quoteName(parent)} (${names(named)})` : quoteName(parent);
	const reason = {
		'no table': `${quoteName(parent)} is not a table`,
		'no columns': `that is not its key`,
		'no index': `several of its rows have the same values there`,
	}[kind];
	return `D1 will refuse to restore ${quoteName(child)}: its foreign key (${names(from)}) refers to ${target}, and ${reason}. Give the parent a UNIQUE index on these columns, or remove the foreign key.`;
}

/** Whether a foreign key to these columns uses the index. */
function isFor({ partial, columns }: UniqueIndex, named: string[]): boolean {
	return !partial && columns.every((column) => column !== null) && isSame(named, columns);
}

/** Whether a table belongs to SQLite or D1, so that a file cannot create it. */
function isReserved(name: string): boolean {
	return isOfSqlite(name) || isOfD1(name);
}

function isSame(some: string[], others: string[]): boolean {
	const names = (columns: string[]) => JSON.stringify(columns.map(foldCase).sort());
	return names(some) === names(others);
}

function allKeys({ references }: Catalog): ForeignKey[] {
	return [...references.values()].flat();
}

/** Whether there is an ordinary table of this name. */
function isTable({ objects }: Catalog, name: string): boolean {
	return objects.some(
		(object) =>
			object.type === 'table' && !object.virtual && foldCase(object.name) === foldCase(name),
	);
}
