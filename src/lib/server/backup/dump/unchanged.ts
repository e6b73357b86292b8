import { LifeboatError } from '../../errors.ts';
import type { StatementResult } from '../database.ts';
import type { TableDigest } from '../format/digest.ts';
import { quoteName } from '../sql.ts';
import { identityOf, SCHEMA_QUERY } from './catalog.ts';
import { sum } from './literals.ts';
import { type Reader, SnapshotChanged } from './reader.ts';
import type { Catalog } from './schema.ts';

/** Tables that one statement checks for rows, so that it stays below MAX_STATEMENT_BYTES. */
const TABLES_PER_STATEMENT = 200;

/** The most queries that {@link requireUnchanged} takes. */
export function queriesToEnd({ tables }: Catalog): number {
	return 1 + Math.ceil(tables.length / TABLES_PER_STATEMENT);
}

/**
 * Checks that the schema is still the same and that each table with rows still has some. The second
 * check finds a table that was dropped and created again: that may leave no trace in the schema and
 * does not count as a change (SQLite: total_changes()), but leaves the table empty, and each new
 * row would count.
 *
 * Throws {@link SnapshotChanged}, and what {@link Reader.batch} throws.
 */
export async function requireUnchanged(
	reader: Reader,
	catalog: Catalog,
	tables: TableDigest[],
): Promise<void> {
	const filled = tables.filter(({ rows }) => rows > 0);
	const statements: string[] = [];
	for (let at = 0; at < filled.length; at += TABLES_PER_STATEMENT) {
		const some = filled.slice(at, at + TABLES_PER_STATEMENT);
		const exist = some.map(({ name }) => `EXISTS(SELECT 1 FROM ${quoteName(name)})`);
		statements.push(`SELECT ${sum(exist)} AS n,total_changes() AS changes`);
	}
	const [schema, ...counts] = await reader.batch([SCHEMA_QUERY, ...statements]);
	requireSchema(catalog, schema);
	const found = counts.reduce((total, { results: rows }) => total + Number(rows[0]?.['n']), 0);
	if (found !== filled.length) throw new SnapshotChanged();
}

/** Throws `restore_unfinished` (409) if a restore has filled only a part of the database. */
export function requireFinished({ unfinished }: Catalog): void {
	if (unfinished === null) return;
	throw new LifeboatError(
		`A restore into this database has not finished: it has an object named ${quoteName(unfinished)}.`,
		{
			code: 'restore_unfinished',
			status: 409,
			hint: 'Nothing was stored. Run the restore again, with --replace if it was one of the whole backup. If no restore is running, rename or drop that object.',
		},
	);
}

/** Throws {@link SnapshotChanged} unless the results of `SCHEMA_QUERY` match the catalog. */
export function requireSchema({ identity }: Catalog, schema: StatementResult | undefined): void {
	if (identityOf(schema?.results ?? []) !== identity) throw new SnapshotChanged();
}
