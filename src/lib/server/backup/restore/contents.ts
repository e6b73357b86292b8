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

const REFERENCES = String.raw`SELECT m.name AS child, f."table" AS parent, max(f.on_delete IN ('CASCADE','SET NULL','SET DEFAULT')) AS acts,
	max(f.on_delete IN ('SET NULL','SET DEFAULT')) AS sets
	FROM sqlite_schema m JOIN pragma_foreign_key_list(m.name) f
	WHERE m.type = 'table' AND m.name NOT LIKE '\_cf\_%' ESCAPE '\' AND m.name NOT LIKE 'sqlite\_%' ESCAPE '\'
	GROUP BY 1, 2 ORDER BY m.rowid`;

/** A table whose rows point at rows of another, or of itself. */
export interface Reference {
	child: string;
	parent: string;
	/** True when deleting a row of the parent changes or deletes rows of the child at once. */
	acts: boolean;
	/** True when that sets columns of the child. */
	sets: boolean;
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
	return (results[0]?.results ?? []).map(({ child, parent, acts, sets }) => ({
		child: String(child),
		parent: String(parent),
		acts: acts === 1,
		sets: sets === 1,
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
	const tables = childrenFirst(ofType('table'), await readReferences(database, sleep));
	const drop = (type: string) => (name: string) => `DROP ${type} IF EXISTS ${quoteName(name)}`;
	const statements = [
		'PRAGMA defer_foreign_keys=ON',
		'PRAGMA ignore_check_constraints=OFF', // an unfinished restore has left it on
		...ofType('trigger').map(drop('TRIGGER')),
		...ofType('view').map(drop('VIEW')),
		...tables.map(drop('TABLE')),
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

/** `"name"`, with quotes inside doubled (SQLite: Keywords). */
export function quoteName(name: string): string {
	return `"${name.replaceAll('"', '""')}"`;
}

/** `'text'`, with quotes inside doubled; for names, never for values. */
export function quoteText(text: string): string {
	return `'${text.replaceAll("'", "''")}'`;
}

/**
 * Tables in an order in which their rows can go. With deferred foreign keys only SET NULL and SET
 * DEFAULT can stand in the way, where the column has to be NOT NULL: such children go first, as far
 * as they do not go round in a circle.
 */
export function childrenFirst(tables: string[], references: Reference[]): string[] {
	const remaining = new Map(tables.map((name) => [name.toLowerCase(), name]));
	const strict = references
		.filter(({ sets }) => sets)
		.map(({ child, parent }) => ({ child: child.toLowerCase(), parent: parent.toLowerCase() }));
	const isFree = (key: string) =>
		!strict.some(({ child, parent }) => parent === key && child !== key && remaining.has(child));
	const ordered: string[] = [];
	while (remaining.size > 0) {
		const [first = ''] = remaining.keys();
		const next = [...remaining.keys()].find(isFree) ?? first;
		ordered.push(remaining.get(next) ?? '');
		remaining.delete(next);
	}
	return ordered;
}
