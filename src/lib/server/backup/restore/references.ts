import { messageOf } from '../../errors.ts';
import type { Sleep } from '../../retry.ts';
import { retrying, type SqlDatabase } from '../database.ts';
import { foldCase, isOfD1, isOfSqlite, notOfD1, notOfSqlite, quoteName } from '../sql.ts';

const REFERENCES = `SELECT m.name AS child, f.id, f."table" AS parent, f."to" AS key
	FROM sqlite_schema m JOIN pragma_foreign_key_list(m.name) f
	WHERE m.type = 'table' AND ${notOfD1('m.name')} AND ${notOfSqlite('m.name')}
	ORDER BY m.rowid, f.id, f.seq`;

/** A foreign key from a table to another, or to itself. */
export interface Reference {
	child: string;
	parent: string;
	/** The parent's columns; null if the key refers to the parent's primary key. */
	keys: (string | null)[];
}

/** Reads all foreign keys. Throws what the database throws. */
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
 * The names of child and parent if SQLite refused something because the parent's key has no UNIQUE
 * index; else none (SQLite: Foreign Key Support, "foreign key mismatch").
 */
export function foreignKeyMismatch(error: unknown): string[] {
	const mismatch = /foreign key mismatch - "(.*)" referencing "(.*)"/.exec(messageOf(error));
	return mismatch?.slice(1).map((name) => name.replaceAll('""', '"')) ?? [];
}

/**
 * For each parent table, by its folded name, the statement that creates an empty one if it is gone.
 * When a table is dropped, SQLite prepares what deleting its rows does to their children, and for
 * that it needs every table that the children refer to.
 */
export function parentStandIns(references: Reference[]): Map<string, string> {
	const creatable = references.filter(({ parent }) => !isOfD1(parent) && !isOfSqlite(parent));
	const parents = Map.groupBy(creatable, ({ parent }) => foldCase(parent));
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
 * Triggers that keep ON DELETE actions from changing rows of the `tables`, and from deleting rows
 * of the `deletes`: such actions run as statements that fire triggers (SQLite: Foreign Key Actions;
 * RAISE(IGNORE)). The foreign keys themselves are still checked at the end of the transaction.
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
