import type { StatementResult } from '../database.ts';
import type { TableDigest } from '../format/digest.ts';
import { identityOf, SCHEMA_QUERY } from './catalog.ts';
import { sum } from './literals.ts';
import { quoteName } from '../sql.ts';
import { type Reader, SnapshotChanged } from './reader.ts';
import type { Catalog } from './schema.ts';

/** Tables that one statement asks for rows: it may have 100,000 bytes (D1 > Platform > Limits). */
const TABLES_PER_STATEMENT = 200;

/** Queries that {@link requireUnchanged} takes at most. */
export function queriesToEnd({ tables }: Catalog): number {
	return 1 + Math.ceil(tables.length / TABLES_PER_STATEMENT);
}

/**
 * The schema has to be the very same still. Dropping a table and making the same one anew may leave no
 * trace there, and does not change the count of changes either (SQLite: total_changes()), but leaves
 * it without rows; each new row would count. Throws {@link SnapshotChanged}, and what
 * {@link Reader.batch} throws.
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

/** Throws {@link SnapshotChanged} unless the results of `SCHEMA_QUERY` are those of the catalog. */
export function requireSchema({ identity }: Catalog, schema: StatementResult | undefined): void {
	if (identityOf(schema?.results ?? []) !== identity) throw new SnapshotChanged();
}
