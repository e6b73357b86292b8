import { messageOf, retrying, type Row, type SqlDatabase, type SqlStatement } from '../database.ts';
import { RESTORE_MARKER, foldCase, notOfD1, notOfSqlite, quoteName, quoteText } from '../sql.ts';
import { type Sleep } from '../../retry.ts';

/** What is in a database, other than D1's and SQLite's own tables. */
export interface Contents {
	/** All objects but a marker. */
	objects: { type: string; name: string }[];
	/** The marker of a restore that is at work, or was killed; null where there is none. */
	marker: Marker | null;
}

/** What a marker says. */
export interface Marker {
	/** The random id of the restore that made it. */
	id: string;
	/** Seconds since that restore last wrote to the database, by the database's own clock. */
	age: number;
	/** True when the schema is what that restore has made, and nothing else. */
	explains: boolean;
}

/**
 * The marker's definition, to the letter: a table of the same name with any other is somebody else's.
 * It has one row: the restore's id, the number of its last transaction, when that was, in seconds
 * since 1970, and the schema as that left it ({@link SCHEMA}).
 */
export const MARKER_DEFINITION = `CREATE TABLE ${RESTORE_MARKER} (restore TEXT NOT NULL, step INTEGER NOT NULL, at INTEGER NOT NULL, schema TEXT NOT NULL)`;

const IS_MARKER = `type = 'table' AND name = ${quoteText(RESTORE_MARKER)} AND sql = ${quoteText(MARKER_DEFINITION)}`;

const NOT_SYSTEM = `sql IS NOT NULL AND ${notOfD1('name')} AND ${notOfD1('tbl_name')} AND ${notOfSqlite('name')}`;

/** An SQL expression: types and names of all objects but the marker, as one text; '' where there are none. */
export const SCHEMA = `(SELECT ifnull(group_concat(type || ' ' || name, char(10)), '') FROM (SELECT type, name FROM sqlite_schema WHERE ${NOT_SYSTEM} AND NOT (${IS_MARKER}) ORDER BY type, name))`;

/** Shadow tables come and go with their virtual table. */
const OBJECTS = `SELECT type, name, ${IS_MARKER} AS marker FROM sqlite_schema
	WHERE ${NOT_SYSTEM} AND name NOT IN (SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'shadow')
	ORDER BY rowid`;

const REFERENCES = `SELECT m.name AS child, f.id, f."table" AS parent, f."to" AS key
	FROM sqlite_schema m JOIN pragma_foreign_key_list(m.name) f
	WHERE m.type = 'table' AND ${notOfD1('m.name')} AND ${notOfSqlite('m.name')}
	ORDER BY m.rowid, f.id, f.seq`;

/** A foreign key: rows of a table point at rows of another, or of its own. */
export interface Reference {
	child: string;
	parent: string;
	/** The parent's columns; null where its primary key is meant. */
	keys: (string | null)[];
}

const MARKER = `SELECT restore, step, at, unixepoch() - at AS age, schema = ${SCHEMA} AS explains FROM ${RESTORE_MARKER} LIMIT 2`;

/** Reads what is in a database. Throws what the database throws. */
export async function readContents(database: SqlDatabase, sleep: Sleep): Promise<Contents> {
	const { results } = await retrying(() => database.batch([OBJECTS]), sleep);
	const rows = results[0]?.results ?? [];
	const defined = rows.some((row) => row['marker'] === 1);
	const marker = defined ? await readMarker(database, sleep) : null;
	const others = marker ? rows.filter((row) => row['marker'] !== 1) : rows;
	const objects = others.map(({ type, name }) => ({ type: String(type), name: String(name) }));
	return { objects, marker };
}

/** The marker, where the table of that definition also has the contents of one. */
async function readMarker(database: SqlDatabase, sleep: Sleep): Promise<Marker | null> {
	try {
		const { results } = await retrying(() => database.batch([MARKER]), sleep);
		const [row, ...more] = results[0]?.results ?? [];
		return row && more.length === 0 ? parseMarker(row) : null;
	} catch (error) {
		if (/no such table/.test(messageOf(error))) return null; // its restore has just ended
		throw error;
	}
}

function parseMarker({ restore, step, at, age, explains }: Row): Marker | null {
	if (!isRestoreId(restore) || !Number.isInteger(step) || !Number.isInteger(at)) return null;
	return { id: restore, age: Number(age), explains: explains === 1 };
}

function isRestoreId(value: unknown): value is string {
	return typeof value === 'string' && /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(value);
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
 * Removes all objects that {@link readContents} tells, in one transaction between these statements.
 * Throws what the database throws.
 */
export async function clearDatabase(
	database: SqlDatabase,
	sleep: Sleep,
	{ before = [], after = [] }: { before?: SqlStatement[]; after?: SqlStatement[] } = {},
): Promise<void> {
	const { objects } = await readContents(database, sleep);
	const ofType = (type: string) =>
		objects.filter((object) => object.type === type).map(({ name }) => name);
	const tables = ofType('table');
	const references = await readReferences(database, sleep);
	const guards = guardTriggers(references.map(({ child }) => child));
	const standIns = parentStandIns(references);
	const drop = (type: string) => (name: string) => `DROP ${type} IF EXISTS ${quoteName(name)}`;
	const statements = [
		...before,
		'PRAGMA defer_foreign_keys=ON',
		'PRAGMA ignore_check_constraints=OFF', // an unfinished restore has left it on
		...ofType('trigger').map(drop('TRIGGER')),
		...ofType('view').map(drop('VIEW')),
		...standIns.values(),
		...guards.create, // they go with their tables
		...[...standIns.keys()].map((name) => `DELETE FROM ${quoteName(name)}`),
		...tables.flatMap((name) => [drop('TABLE')(name), standIns.get(foldCase(name)) ?? []].flat()),
		...[...standIns.keys()].map(drop('TABLE')),
		...after,
	];
	await retrying(() => database.batch(statements), sleep);
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
