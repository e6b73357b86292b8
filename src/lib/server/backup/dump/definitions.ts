import type { Row, StatementResult } from '../database.ts';
import { type Catalog, type ForeignKey, type SchemaObject, SEQUENCE_TABLE } from './schema.ts';
import { literal } from './literals.ts';
import { quoteName, quoteText } from '../sql.ts';
import { statement } from './ddl.ts';

/*
 * The schema's part of the file, in the order that rebuilds it. `scratch` is the name of a table
 * that the file makes for itself and drops again.
 */

/** What tools need to hear first, and the way clear for a restore over an older copy. */
export function preamble(catalog: Catalog, title: string[], scratch: string): string {
	const drop = (type: string, name: string) => `DROP ${type} IF EXISTS ${quoteName(name)};\n`;
	const named = (type: SchemaObject['type']) =>
		catalog.objects.filter((object) => object.type === type).map((object) => object.name);
	return [
		...title.map((line) => `-- ${line}\n`),
		'PRAGMA foreign_keys=OFF;\n', // for tools that run statements one by one
		'PRAGMA defer_foreign_keys=TRUE;\n', // for D1, which runs them in one transaction
		...ignoringChecks(catalog, 'ON'),
		...named('trigger').map((name) => drop('TRIGGER', name)),
		...named('view').map((name) => drop('VIEW', name)),
		...childrenFirst(named('table'), catalog.references).map((name) => drop('TABLE', name)),
		drop('TABLE', scratch),
	].join('');
}

/** What stands before the rows: every table, virtual ones last, and indexes that foreign keys need. */
export function definitions(catalog: Catalog, fullTextOptions: string[], scratch: string): string {
	const tables = catalog.objects.filter((object) => object.type === 'table');
	return [
		...tables.filter((table) => !isVirtual(table)).map(statement),
		...tables.filter(isVirtual).map(statement),
		...fullTextOptions,
		...sequenceTable(catalog, scratch),
		...missingParents(catalog).map(({ sql }) => sql),
		...catalog.objects.filter((object) => isParentIndex(object, catalog)).map(statement),
	].join('');
}

/** What has to wait for the rows: the other indexes, views, rebuilt full text, triggers. */
export function endings(catalog: Catalog): string {
	const ofType = (type: SchemaObject['type']) =>
		catalog.objects.filter((object) => object.type === type);
	return [
		...missingParents(catalog).map(({ name }) => `DROP TABLE ${quoteName(name)};\n`),
		...ofType('index')
			.filter((index) => !isParentIndex(index, catalog))
			.map(statement),
		...ofType('view').map(statement),
		...catalog.externalFullText.map(
			({ name }) => `INSERT INTO ${quoteName(name)} (${quoteName(name)}) VALUES ('rebuild');\n`,
		),
		...ofType('trigger').map(statement),
		...ignoringChecks(catalog, 'OFF'),
	].join('');
}

/**
 * Rows come back as they were, also where a constraint has been broken before, or is broken for
 * another version only: SQLite 3.40 takes `json_valid(NULL)` for false. Only where there is a
 * constraint, because D1 keeps this setting until it is changed.
 */
function ignoringChecks({ objects }: Catalog, value: 'ON' | 'OFF'): string[] {
	const checks = objects.some(({ type, sql }) => type === 'table' && /\bCHECK\b/i.test(sql));
	return checks ? [`PRAGMA ignore_check_constraints=${value};\n`] : [];
}

/** SQLite makes `sqlite_sequence` with the first AUTOINCREMENT table, and keeps it when that goes. */
function sequenceTable({ tables }: Catalog, scratch: string): string[] {
	if (!tables.includes(SEQUENCE_TABLE)) return [];
	const name = quoteName(scratch);
	return [
		`CREATE TABLE ${name} (id INTEGER PRIMARY KEY AUTOINCREMENT);\n`,
		`DROP TABLE ${name};\n`,
	];
}

function isVirtual({ sql }: SchemaObject): boolean {
	return /^CREATE VIRTUAL TABLE/i.test(sql);
}

/** SQLite refuses a child's row while its parent's key has no unique index yet. */
function isParentIndex({ type, table, sql }: SchemaObject, { references }: Catalog): boolean {
	if (type !== 'index' || !/^CREATE UNIQUE INDEX/i.test(sql)) return false;
	const name = table.toLowerCase();
	return [...references.values()].flat().some((key) => key.parent.toLowerCase() === name);
}

/**
 * Parents that are gone, while rows that once could point at them are still there: D1 takes such
 * rows, whose key is NULL now, only while a table of that name exists. It stands in for a while.
 */
function missingParents({ objects, references }: Catalog): { name: string; sql: string }[] {
	const existing = new Set(objects.map((object) => object.name.toLowerCase()));
	const missing = new Map<string, { name: string; columns: Set<string>; keys: Set<string> }>();
	for (const { parent, columns } of [...references.values()].flat()) {
		const id = parent.toLowerCase();
		if (existing.has(id)) continue;
		const names = columns.map((column, index) => quoteName(column ?? `key${index}`).toLowerCase());
		const kind = columns[0] === null ? 'PRIMARY KEY' : 'UNIQUE';
		const standIn = missing.get(id) ?? { name: parent, columns: new Set(), keys: new Set() };
		names.forEach((name) => standIn.columns.add(name));
		standIn.keys.add(`${kind}(${names.join(',')})`);
		missing.set(id, standIn);
	}
	return [...missing.values()].map(({ name, columns, keys }) => ({
		name,
		sql: `CREATE TABLE ${quoteName(name)} (${[...columns, ...keys].join(',')});\n`,
	}));
}

/** Children before the parents they point at; tables in a circle in any order. */
function childrenFirst(names: string[], references: Map<string, ForeignKey[]>): string[] {
	const byName = new Map(names.map((name) => [name.toLowerCase(), name]));
	const parentsFirst = new Set<string>();
	const visiting = new Set<string>();
	const visit = (name: string) => {
		const key = name.toLowerCase();
		if (visiting.has(key)) return;
		visiting.add(key);
		for (const { parent } of references.get(key) ?? []) {
			const known = byName.get(parent.toLowerCase());
			if (known !== undefined) visit(known);
		}
		parentsFirst.add(name);
	};
	names.forEach(visit);
	return [...parentsFirst].reverse();
}

/**
 * Queries for settings such as `rank`, which FTS5 keeps in a shadow table (SQLite: FTS5, "Special
 * INSERT Commands"): one for each full-text table.
 */
export function fullTextQueries({ fullText }: Catalog): string[] {
	return fullText.map(
		(name) =>
			`SELECT k,${literal('v')} AS v FROM ${quoteName(`${name}_config`)} WHERE k<>'version' ORDER BY k`,
	);
}

/** The statements that set them, from the results of {@link fullTextQueries}. */
export function fullTextOptions({ fullText }: Catalog, results: StatementResult[]): string[] {
	return fullText.flatMap((name, index) =>
		(results[index]?.results ?? []).map(
			({ k, v }: Row) =>
				`INSERT INTO ${quoteName(name)} (${quoteName(name)},rank) VALUES (${quoteText(String(k))},${v});\n`,
		),
	);
}
