import type { Sleep } from '../../retry.ts';
import { retrying, type Row, type SqlDatabase } from '../database.ts';
import { messageOf } from '../../errors.ts';
import { foldCase, notOfD1, notOfSqlite, quoteName, quoteText, RESTORE_MARKER } from '../sql.ts';
import { DROP_STAGE, NOT_OF_STAGE } from '../stage-tables.ts';
import { parseFullText, shadowTables } from '../virtual-table.ts';
import {
	foreignKeyMismatch,
	guardTriggers,
	parentStandIns,
	readReferences,
	type Reference,
} from './references.ts';

/** What is in a database, apart from D1's and SQLite's own tables and a backup's stage. */
export interface Contents {
	/** All objects except a marker. */
	objects: ContentObject[];
	/** The marker of a restore that is running or was killed; null if there is none. */
	marker: Marker | null;
}

/** An object with its definition. Shadow tables come and go with their virtual table. */
export interface ContentObject {
	type: string;
	name: string;
	sql: string;
	/** Whether it is a virtual table. */
	virtual: boolean;
}

/** What a marker says about its restore. */
export interface Marker {
	/** The restore's random id. */
	id: string;
	/** Seconds since the restore last wrote to the database, by the database's own clock. */
	age: number;
	/** Whether the restore has created everything that is in the database. */
	explains: boolean;
}

/**
 * The marker's exact definition: a table of the same name with another one is not a marker. Its
 * only row has the restore's id, the number of its last transaction, the time of that in seconds
 * since 1970, and the schema after it ({@link SCHEMA}).
 */
export const MARKER_DEFINITION = `CREATE TABLE ${RESTORE_MARKER} (restore TEXT NOT NULL, step INTEGER NOT NULL, at INTEGER NOT NULL, schema TEXT NOT NULL)`;

const IS_MARKER = `type = 'table' AND name = ${quoteText(RESTORE_MARKER)} AND sql = ${quoteText(MARKER_DEFINITION)}`;

/** Not SQLite's, D1's, or what a killed backup has left, which no restore has to save. */
const NOT_SYSTEM = `sql IS NOT NULL AND ${notOfD1('name')} AND ${notOfD1('tbl_name')} AND ${notOfSqlite('name')} AND ${NOT_OF_STAGE}`;

/**
 * An SQL expression: types and names of all objects except the marker, as one text; '' if there are
 * none.
 */
export const SCHEMA = `(SELECT ifnull(group_concat(type || ' ' || name, char(10)), '') FROM (SELECT type, name FROM sqlite_schema AS m WHERE ${NOT_SYSTEM} AND NOT (${IS_MARKER}) ORDER BY type, name))`;

const OBJECTS = `SELECT type, name, sql, ${IS_MARKER} AS marker,
	type = 'table' AND name IN (SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'virtual') AS virtual
	FROM sqlite_schema AS m
	WHERE ${NOT_SYSTEM} ORDER BY rowid`;

const MARKER = `SELECT restore, step, at, unixepoch() - at AS age, schema = ${SCHEMA} AS explains FROM ${RESTORE_MARKER} LIMIT 2`;

/** Reads what is in a database. Throws what the database throws. */
export async function readContents(database: SqlDatabase, sleep: Sleep): Promise<Contents> {
	const { results } = await retrying(() => database.batch([OBJECTS]), sleep);
	const rows = results[0]?.results ?? [];
	const defined = rows.some((row) => row['marker'] === 1);
	const marker = defined ? await readMarker(database, sleep) : null;
	const others = marker ? rows.filter((row) => row['marker'] !== 1) : rows;
	return { objects: withoutShadows(others.map(contentObject)), marker };
}

function contentObject({ type, name, sql, virtual }: Row): ContentObject {
	return { type: String(type), name: String(name), sql: String(sql), virtual: virtual === 1 };
}

/** Without the tables that come and go with a virtual table. */
function withoutShadows(objects: ContentObject[]): ContentObject[] {
	const shadows = new Set(
		objects
			.filter(({ virtual }) => virtual)
			.flatMap(({ name, sql }) => shadowTables(name, sql) ?? []),
	);
	return objects.filter(({ type, name }) => type !== 'table' || !shadows.has(foldCase(name)));
}

/** Reads the marker; null if the table of that definition does not have the contents of one. */
async function readMarker(database: SqlDatabase, sleep: Sleep): Promise<Marker | null> {
	try {
		const { results } = await retrying(() => database.batch([MARKER]), sleep);
		const [row, ...more] = results[0]?.results ?? [];
		return row && more.length === 0 ? parseMarker(row) : null;
	} catch (error) {
		if (/no such table/.test(messageOf(error))) return null; // the restore has just finished
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

/**
 * Makes SQLite read the schema again (SQLite: alter.c, renameReloadSchema). Until then it takes a
 * table for a shadow table whose virtual table is gone, and D1 does not drop such a table.
 */
const RELOAD_SCHEMA = [
	'CREATE TABLE lifeboat_reload (a)',
	'ALTER TABLE lifeboat_reload ADD COLUMN b',
	'DROP TABLE lifeboat_reload',
];

/**
 * Removes all objects that {@link readContents} returns, and a stage, in one transaction, which begins and ends
 * with the given statements. Throws what the database throws.
 */
export async function clearDatabase(
	database: SqlDatabase,
	sleep: Sleep,
	edges: { before?: string[]; after?: string[] } = {},
): Promise<void> {
	const { objects } = await readContents(database, sleep);
	const references = await readReferences(database, sleep);
	const undeletable = new Set<string>();
	for (;;) {
		const statements = clearing(objects, references, undeletable);
		const all = [...(edges.before ?? []), ...statements, ...(edges.after ?? [])];
		try {
			await retrying(() => database.batch(all), sleep);
			return;
		} catch (error) {
			const tables = foreignKeyMismatch(error).map(foldCase);
			if (tables.every((name) => undeletable.has(name))) throw error;
			tables.forEach((name) => undeletable.add(name));
		}
	}
}

/**
 * The shadow tables that remain when a virtual table is dropped: FTS5 forgets that of a contentless
 * table's UNINDEXED columns (SQLite: fts5_storage.c, sqlite3Fts5DropAll).
 */
function leftBehind({ virtual, name, sql }: ContentObject): string[] {
	return virtual && parseFullText(sql)?.keepsUnindexed ? [`${name}_content`] : [];
}

/** Indexes that have the names of stand-ins, and so would be in their way. */
function namesakes(indexes: string[], standIns: ReadonlyMap<string, string>): string[] {
	return indexes.filter((name) => standIns.has(foldCase(name)));
}

/**
 * The statements that remove all objects. No row is deleted from a table of which SQLite refuses
 * that for a foreign key; to drop the table is allowed (SQLite: Foreign Key Support, "DROP TABLE").
 */
function clearing(
	objects: ContentObject[],
	references: Reference[],
	undeletable: ReadonlySet<string>,
): string[] {
	const ofType = (type: string) =>
		objects.filter((object) => object.type === type).map(({ name }) => name);
	const virtual = objects.filter((object) => object.virtual).map(({ name }) => name);
	const tables = ofType('table').filter((name) => !virtual.includes(name));
	const guards = guardTriggers(references.map(({ child }) => child));
	const standIns = parentStandIns(references);
	const emptied = [...standIns.keys()].filter((name) => !undeletable.has(name));
	const drop = (type: string) => (name: string) => `DROP ${type} IF EXISTS ${quoteName(name)}`;
	return [
		'PRAGMA defer_foreign_keys=ON',
		'PRAGMA ignore_check_constraints=OFF', // a killed restore may have left it on
		...ofType('trigger').map(drop('TRIGGER')),
		...ofType('view').map(drop('VIEW')),
		...virtual.map(drop('TABLE')),
		...(virtual.length > 0 ? RELOAD_SCHEMA : []),
		...objects.flatMap(leftBehind).map(drop('TABLE')),
		...namesakes(ofType('index'), standIns).map(drop('INDEX')),
		...standIns.values(),
		...guards.create, // dropped with their tables
		...emptied.map((name) => `DELETE FROM ${quoteName(name)}`),
		...tables.flatMap((name) => [drop('TABLE')(name), standIns.get(foldCase(name)) ?? []].flat()),
		...[...standIns.keys()].map(drop('TABLE')),
		...DROP_STAGE,
	];
}
