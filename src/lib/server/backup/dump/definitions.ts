import type { Row, StatementResult } from '../database.ts';
import { foldCase, quoteName, quoteText } from '../sql.ts';
import { hasKeyword } from '../tokenizer.ts';
import { takenForShadows } from '../virtual-table.ts';
import { statement } from './ddl.ts';
import { standIns } from './foreign-keys.ts';
import type { Inspection } from './inspect.ts';
import { type Catalog, type ForeignKey, type SchemaObject, SEQUENCE_TABLE } from './schema.ts';

/*
 * The statements that rebuild the schema, in their order. `scratch` is the name of a table that the
 * file creates for its own use and drops again.
 */

/** Settings, and statements that drop an older copy of the same objects. */
export function preamble(catalog: Catalog, scratch: string): string {
	const drop = (type: string, name: string) => `DROP ${type} IF EXISTS ${quoteName(name)};\n`;
	const named = (type: SchemaObject['type']) =>
		catalog.objects.filter((object) => object.type === type).map((object) => object.name);
	const virtual = catalog.objects.filter((object) => object.virtual).map(({ name }) => name);
	const ordinary = catalog.objects.filter(isOrdinaryTable).map(({ name }) => name);
	return [
		'PRAGMA foreign_keys=OFF;\n', // for tools that run statements one by one
		'PRAGMA defer_foreign_keys=TRUE;\n', // for D1, which runs them in one transaction
		...ignoringChecks(catalog, 'ON'),
		...named('trigger').map((name) => drop('TRIGGER', name)),
		...named('view').map((name) => drop('VIEW', name)),
		...virtual.map((name) => drop('TABLE', name)),
		...childrenFirst(ordinary, catalog.references).map((name) => drop('TABLE', name)),
		drop('TABLE', scratch),
	].join('');
}

/**
 * What comes before the rows: all ordinary tables, stand-ins for parents that are none, and the
 * indexes that foreign keys need.
 */
export function definitions(catalog: Catalog, inspection: Inspection, scratch: string): string {
	return [
		...catalog.objects.filter(isOrdinaryTable).map(statement),
		...sequenceTable(catalog, scratch),
		...standIns(catalog).map(({ sql }) => sql),
		...catalog.objects.filter((object) => isParentIndex(object, catalog)).map(statement),
		...parentIndexes(catalog, inspection).map(({ sql }) => sql),
	].join('');
}

/**
 * What comes after the rows of ordinary tables: the end of what only these needed, then virtual
 * tables and the options of FTS5 tables. SQLite takes a table for a shadow table, and D1 refuses its
 * rows and triggers, as soon as there is a virtual table with a fitting name (SQLite: Defensive
 * mode).
 */
export function virtualTables(catalog: Catalog, inspection: Inspection, options: string[]): string {
	return [
		...parentIndexes(catalog, inspection).map(({ name }) => `DROP INDEX ${quoteName(name)};\n`),
		...standIns(catalog).map(({ name }) => `DROP TABLE ${quoteName(name)};\n`),
		...triggersOf(catalog).early.map(statement),
		...catalog.objects.filter(({ virtual }) => virtual).map(statement),
		...options,
	].join('');
}

/** What comes after all rows: the other indexes, views, rebuilds of full-text tables, triggers. */
export function endings(catalog: Catalog, { searches }: Inspection): string {
	const ofType = (type: SchemaObject['type']) =>
		catalog.objects.filter((object) => object.type === type);
	return [
		...ofType('index')
			.filter((index) => !isParentIndex(index, catalog))
			.map(statement),
		...ofType('view').map(statement),
		...searches
			.filter(({ fill }) => fill === 'rebuild')
			.map(
				({ name }) => `INSERT INTO ${quoteName(name)} (${quoteName(name)}) VALUES ('rebuild');\n`,
			),
		...triggersOf(catalog).last.map(statement),
		...ignoringChecks(catalog, 'OFF'),
	].join('');
}

/** The triggers, of which those on tables that D1 will take for shadow tables come early. */
function triggersOf({ objects }: Catalog): { early: SchemaObject[]; last: SchemaObject[] } {
	const virtual = objects.filter((object) => object.virtual);
	const taken = new Set(virtual.flatMap(({ name, sql }) => takenForShadows(name, sql)));
	const triggers = objects.filter(({ type }) => type === 'trigger');
	const isEarly = ({ table }: SchemaObject) => taken.has(foldCase(table));
	return { early: triggers.filter(isEarly), last: triggers.filter((each) => !isEarly(each)) };
}

/**
 * Lets rows be restored that break a constraint: they may have done so in the database already, or
 * break it only in another version, as SQLite 3.40 considers `json_valid(NULL)` false. Written only
 * if there is a CHECK, because D1 keeps this setting until it is changed.
 */
function ignoringChecks({ objects }: Catalog, value: 'ON' | 'OFF'): string[] {
	const checks = objects.some(({ type, sql }) => type === 'table' && hasKeyword(sql, 'CHECK'));
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

function isOrdinaryTable({ type, virtual }: SchemaObject): boolean {
	return type === 'table' && !virtual;
}

/** SQLite refuses a child's row until its parent's key has a unique index. */
function isParentIndex({ type, name, table }: SchemaObject, catalog: Catalog): boolean {
	if (type !== 'index') return false;
	const parent = catalog.parents.get(foldCase(table));
	if (!parent?.uniqueIndexes.some((index) => index.name === name)) return false;
	return [...catalog.references.values()]
		.flat()
		.some((key) => foldCase(key.parent) === foldCase(table));
}

/**
 * UNIQUE indexes that the database lacks and that foreign keys need while rows are inserted. The
 * file drops them again.
 */
function parentIndexes(
	catalog: Catalog,
	{ parentKeys }: Inspection,
): { name: string; sql: string }[] {
	return parentKeys.map(({ table, columns }, index) => {
		const name = unusedName(`lifeboat_parent_${index + 1}`, catalog);
		const on = `${quoteName(table)} (${columns.map(quoteName).join(',')})`;
		return { name, sql: `CREATE UNIQUE INDEX ${quoteName(name)} ON ${on};\n` };
	});
}

/** The name in lower case, with as many underscores as make it unlike that of any object. */
export function unusedName(name: string, { objects }: Catalog): string {
	const taken = new Set(objects.map((object) => foldCase(object.name)));
	let candidate = name;
	while (taken.has(candidate)) candidate += '_';
	return candidate;
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

/** The statements that set the options of FTS5 tables, from the results of their queries. */
export function fullTextOptions({ fullText }: Catalog, results: StatementResult[]): string[] {
	return fullText.flatMap(({ name }, index) =>
		(results[index]?.results ?? []).map(
			({ k, v }: Row) =>
				`INSERT INTO ${quoteName(name)} (${quoteName(name)},rank) VALUES (${quoteText(String(k))},${v});\n`,
		),
	);
}
