import type { Row, StatementResult } from '../database.ts';
import { foldCase, quoteName, quoteText } from '../sql.ts';
import { statement } from './ddl.ts';
import { literal } from './literals.ts';
import { type Catalog, type ForeignKey, type SchemaObject, SEQUENCE_TABLE } from './schema.ts';

/*
 * The statements that rebuild the schema, in their order. `scratch` is the name of a table that the
 * file creates for its own use and drops again.
 */

/** Settings, and statements that drop an older copy of the same objects. */
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

/**
 * What comes before the rows: all tables, virtual ones last, and the indexes that foreign keys
 * need.
 */
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

/** What comes after the rows: the other indexes, views, rebuilds of full-text tables, triggers. */
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
 * Lets rows be restored that break a constraint: they may have done so in the database already, or
 * break it only in another version, as SQLite 3.40 considers `json_valid(NULL)` false. Written only
 * if there is a CHECK, because D1 keeps this setting until it is changed.
 */
function ignoringChecks({ objects }: Catalog, value: 'ON' | 'OFF'): string[] {
	const checks = objects.some(({ type, sql }) => type === 'table' && /\bCHECK\b/i.test(sql));
	return checks ? [`PRAGMA ignore_check_constraints=${value};\n`] : [];
}

/** SQLite creates `sqlite_sequence` with the first AUTOINCREMENT table, and keeps it afterwards. */
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

/** SQLite refuses a child's row until its parent's key has a unique index. */
function isParentIndex({ type, table, sql }: SchemaObject, { references }: Catalog): boolean {
	if (type !== 'index' || !/^CREATE UNIQUE INDEX/i.test(sql)) return false;
	const name = foldCase(table);
	return [...references.values()].flat().some((key) => foldCase(key.parent) === name);
}

/**
 * Stand-ins for tables that foreign keys name but that were dropped. D1 accepts the rows of such a
 * child, whose keys are NULL, only while the parent exists, so the file creates it and drops it
 * after the rows.
 */
function missingParents({ objects, references }: Catalog): { name: string; sql: string }[] {
	const existing = new Set(objects.map((object) => foldCase(object.name)));
	const missing = new Map<string, { name: string; columns: Set<string>; keys: Set<string> }>();
	for (const { parent, columns } of [...references.values()].flat()) {
		const id = foldCase(parent);
		if (existing.has(id)) continue;
		const names = columns.map((column, index) => foldCase(quoteName(column ?? `key${index}`)));
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

/** Children before their parents; tables in a circle in any order. */
function childrenFirst(names: string[], references: Map<string, ForeignKey[]>): string[] {
	const byName = new Map(names.map((name) => [foldCase(name), name]));
	const parentsFirst = new Set<string>();
	const visiting = new Set<string>();
	const visit = (name: string) => {
		const key = foldCase(name);
		if (visiting.has(key)) return;
		visiting.add(key);
		for (const { parent } of references.get(key) ?? []) {
			const known = byName.get(foldCase(parent));
			if (known !== undefined) visit(known);
		}
		parentsFirst.add(name);
	};
	names.forEach(visit);
	return [...parentsFirst].reverse();
}

/**
 * One query for each full-text table: its options, such as `rank`, which FTS5 keeps in a shadow
 * table (SQLite: FTS5, "Special INSERT Commands").
 */
export function fullTextQueries({ fullText }: Catalog): string[] {
	return fullText.map(
		(name) =>
			`SELECT k,${literal('v')} AS v FROM ${quoteName(`${name}_config`)} WHERE k<>'version' ORDER BY k`,
	);
}

/** The statements that set these options, from the results of {@link fullTextQueries}. */
export function fullTextOptions({ fullText }: Catalog, results: StatementResult[]): string[] {
	return fullText.flatMap((name, index) =>
		(results[index]?.results ?? []).map(
			({ k, v }: Row) =>
				`INSERT INTO ${quoteName(name)} (${quoteName(name)},rank) VALUES (${quoteText(String(k))},${v});\n`,
		),
	);
}
