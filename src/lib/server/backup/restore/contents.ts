import { LifeboatError } from '../../errors.ts';
import { RESTORE_MARKER, retrying, type Sleep, type SqlDatabase } from '../database.ts';
import { foldCase, quoteName } from './names.ts';

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

const REFERENCES = String.raw`SELECT m.name AS child, f.id, f."table" AS parent, f."to" AS key
	FROM sqlite_schema m JOIN pragma_foreign_key_list(m.name) f
	WHERE m.type = 'table' AND m.name NOT LIKE '\_cf\_%' ESCAPE '\' AND m.name NOT LIKE 'sqlite\_%' ESCAPE '\'
	ORDER BY m.rowid, f.id, f.seq`;

/** A foreign key: rows of a table point at rows of another, or of its own. */
export interface Reference {
	child: string;
	parent: string;
	/** The parent's columns; null where its primary key is meant. */
	keys: (string | null)[];
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

/** All foreign keys. Throws what the database throws. */
export async function readReferences(database: SqlDatabase, sleep: Sleep): Promise<Reference[]> {
	const { results } = await retrying(() => database.batch([REFERENCES]), sleep);
	const parts = results[0]?.results ?? [];
	const groups = Map.groupBy(parts, ({ child, id }) => JSON.stringify([child, id]));
	return [...groups.values()].map((group) => ({
		child: String(group[0]?.['child']),
		parent: String(group[0]?.['parent']),
		keys: group.map(({ key }) => (key === null || key === undefined ? null : String(key))),
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
	const standIns = parentStandIns(references);
	const drop = (type: string) => (name: string) => `DROP ${type} IF EXISTS ${quoteName(name)}`;
	const statements = [
		'PRAGMA defer_foreign_keys=ON',
		'PRAGMA ignore_check_constraints=OFF', // an unfinished restore has left it on
		...ofType('trigger').map(drop('TRIGGER')),
		...ofType('view').map(drop('VIEW')),
		...standIns.values(),
		...guards.create, // they go with their tables
		...[...standIns.keys()].map((name) => `DELETE FROM ${quoteName(name)}`),
		...tables.flatMap((name) => [drop('TABLE')(name), standIns.get(foldCase(name)) ?? []].flat()),
		...[...standIns.keys()].map(drop('TABLE')),
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
 * For each table that is pointed at, by its lower-cased name, the statement that makes an empty one
 * in its place where it is gone: SQLite prepares what the deletion of rows does to those that point
 * at them, also when a table is dropped, and that has to find every table that these point at.
 */
function parentStandIns(references: Reference[]): Map<string, string> {
	const parents = Map.groupBy(references, ({ parent }) => foldCase(parent));
	return new Map([...parents].map(([name, group]) => [name, standIn(name, group)]));
}

function standIn(name: string, references: Reference[]): string {
	const columns = new Set<string>();
	const constraints = new Set<string>();
	for (const { keys } of references) {
		const names = keys.map((key, index) => foldCase(quoteName(key ?? `key${index}`)));
		names.forEach((column) => columns.add(column));
		constraints.add(`${keys[0] === null ? 'PRIMARY KEY' : 'UNIQUE'}(${names.join(',')})`);
	}
	const parts = [...columns, ...constraints].join(',');
	return `CREATE TABLE IF NOT EXISTS ${quoteName(name)} (${parts})`;
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
