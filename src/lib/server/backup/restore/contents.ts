import { LifeboatError } from '../../errors.ts';
import { RESTORE_MARKER, retrying, type Sleep, type SqlDatabase } from '../database.ts';

/** What is in a database, other than D1's and SQLite's own tables. */
export interface Contents {
	objects: { type: string; name: string }[];
	/** True when a restore was killed: what is there is its leftover. */
	unfinished: boolean;
}

/** Shadow tables come and go with their virtual table. */
const OBJECTS = String.raw`SELECT type, name FROM sqlite_schema
	WHERE sql IS NOT NULL AND name NOT LIKE '\_cf\_%' ESCAPE '\' AND tbl_name NOT LIKE '\_cf\_%' ESCAPE '\'
	AND name NOT LIKE 'sqlite\_%' ESCAPE '\'
	AND name NOT IN (SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'shadow')
	ORDER BY rowid`;

const REFERENCES = String.raw`SELECT m.name AS child, f."table" AS parent
	FROM sqlite_schema m JOIN pragma_foreign_key_list(m.name) f
	WHERE m.type = 'table' AND m.name NOT LIKE '\_cf\_%' ESCAPE '\' AND m.name NOT LIKE 'sqlite\_%' ESCAPE '\'
	GROUP BY 1, 2 ORDER BY m.rowid`;

/** A table whose rows point at rows of another, or of itself. */
export interface Reference {
	child: string;
	parent: string;
}

/** Reads what is in a database. Throws what the database throws. */
export async function readContents(database: SqlDatabase, sleep: Sleep): Promise<Contents> {
	const { results } = await retrying(() => database.batch([OBJECTS]), sleep);
	const objects = (results[0]?.results ?? []).map(({ type, name }) => ({
		type: String(type),
		name: String(name),
	}));
	return { objects, unfinished: objects.some(({ name }) => name === RESTORE_MARKER) };
}

/** Which tables point at which, each pair once. */
export async function readReferences(database: SqlDatabase, sleep: Sleep): Promise<Reference[]> {
	const { results } = await retrying(() => database.batch([REFERENCES]), sleep);
	return (results[0]?.results ?? []).map(({ child, parent }) => ({
		child: String(child),
		parent: String(parent),
	}));
}

/**
 * Removes all that {@link readContents} tells, in one transaction; of nothing it removes nothing.
 * Throws what the database throws.
 */
export async function clearDatabase(database: SqlDatabase, sleep: Sleep): Promise<void> {
	const { objects } = await readContents(database, sleep);
	if (objects.length === 0) return;
	const ofType = (type: string) =>
		objects.filter((object) => object.type === type).map(({ name }) => name);
	const tables = ofType('table');
	const references = await readReferences(database, sleep);
	const guards = guardTriggers(references.map(({ child }) => child));
	const drop = (type: string) => (name: string) => `DROP ${type} IF EXISTS ${quoteName(name)}`;
	const statements = [
		'PRAGMA defer_foreign_keys=ON',
		'PRAGMA ignore_check_constraints=OFF', // an unfinished restore has left it on
		...ofType('trigger').map(drop('TRIGGER')),
		...ofType('view').map(drop('VIEW')),
		...guards.create,
		...emptiedFirst(tables, references).map((name) => `DELETE FROM ${quoteName(name)}`),
		...childrenFirst(tables, references).map(drop('TABLE')), // the guards go with them
	];
	await retrying(() => database.batch(statements), sleep);
}

/**
 * Refuses a database that holds anything, and clears what an unfinished restore has left.
 * Throws `target_not_empty` (409).
 */
export async function requireEmpty(database: SqlDatabase, sleep: Sleep): Promise<void> {
	const { objects, unfinished } = await readContents(database, sleep);
	if (objects.length === 0) return;
	if (unfinished) return clearDatabase(database, sleep);
	throw new LifeboatError('The database to restore into is not empty. Nothing was changed.', {
		code: 'target_not_empty',
		status: 409,
		hint: 'Restore into a new database, or say that this one is to be replaced.',
	});
}

/**
 * Tables that have to be emptied while all of them are there: dropping one deletes its rows, and
 * what that does to rows that point at them fails where those point at a table that is gone.
 */
function emptiedFirst(tables: string[], references: Reference[]): string[] {
	const existing = new Set(tables.map((name) => name.toLowerCase()));
	const has = (name: string, key: 'child' | 'parent') => (reference: Reference) =>
		reference[key].toLowerCase() === name.toLowerCase();
	return tables.filter(
		(name) =>
			references.some(has(name, 'parent')) &&
			references
				.filter(has(name, 'child'))
				.every(({ parent }) => existing.has(parent.toLowerCase())),
	);
}

/**
 * Triggers that keep foreign keys from changing rows of these tables, or from deleting them as well:
 * ON DELETE acts through statements that triggers see (SQLite: Foreign Key Actions; RAISE(IGNORE)).
 * Whether rows point at something is still checked at the end of the transaction.
 */
export function guardTriggers(
	tables: string[],
	{ deletes = [] }: { deletes?: string[] } = {},
): { create: string[]; drop: string[] } {
	const guards = [
		...[...new Set(tables)].map((table) => ({ event: 'UPDATE', table })),
		...[...new Set(deletes)].map((table) => ({ event: 'DELETE', table })),
	].map((guard, index) => ({ ...guard, name: `lifeboat_guard_${index + 1}` }));
	return {
		create: guards.map(
			({ event, table, name }) =>
				`CREATE TRIGGER ${name} BEFORE ${event} ON ${quoteName(table)} BEGIN SELECT RAISE(IGNORE); END`,
		),
		drop: guards.map(({ name }) => `DROP TRIGGER ${name}`),
	};
}

/** `"name"`, with quotes inside doubled (SQLite: Keywords). */
export function quoteName(name: string): string {
	return `"${name.replaceAll('"', '""')}"`;
}

/** `'text'`, with quotes inside doubled; for names, never for values. */
export function quoteText(text: string): string {
	return `'${text.replaceAll("'", "''")}'`;
}

/**
 * Tables in an order in which they can be dropped: SQLite prepares what the deletion of their rows
 * does to those that point at them, and these have to find all tables that they point at.
 */
function childrenFirst(tables: string[], references: Reference[]): string[] {
	const names = new Map(tables.map((name) => [name.toLowerCase(), name]));
	const parents = Map.groupBy(references, ({ child }) => child.toLowerCase());
	const parentsFirst = new Set<string>();
	const seen = new Set<string>();
	const visit = (name: string) => {
		const key = name.toLowerCase();
		if (seen.has(key)) return;
		seen.add(key);
		for (const { parent } of parents.get(key) ?? []) {
			const known = names.get(parent.toLowerCase());
			if (known !== undefined) visit(known);
		}
		parentsFirst.add(name);
	};
	tables.forEach(visit);
	return [...parentsFirst].reverse();
}
