import { createHash, type Hash } from 'node:crypto';

/** What stands between two rows of a file, and so of what is digested. */
export const ROW_SEPARATOR = ',\n';

/** SHA-256, in hexadecimal, over a table's rows in key order, as SQL literals. */
export interface TableDigest {
	name: string;
	rows: number;
	sha256: string;
}

/** What a backup says of a database: the manifest holds it, and the last line of the file. */
export interface Core {
	schema: { objects: number; sha256: string };
	tables: TableDigest[];
}

/** SHA-256 over the rows' literals, joined as in the file. */
export class RowDigest {
	rows = 0;
	bytes = 0;
	readonly #hash: Hash = createHash('sha256');

	/** Adds whole rows, joined by the separator. */
	add(sql: Uint8Array | string, rows: number): void {
		if (this.rows > 0) this.append(ROW_SEPARATOR);
		this.append(sql);
		this.rows += rows;
	}

	/** Adds to the row that was added last. Texts are ASCII. */
	append(sql: Uint8Array | string): void {
		this.#hash.update(sql);
		this.bytes += sql.length;
	}

	hex(): string {
		return this.#hash.digest('hex');
	}
}

/**
 * What differs between what a database was said to be and what it is, in words; empty when nothing
 * does. A `sqlite_sequence` without rows says nothing: SQLite never drops that table again.
 */
export function compareCores(expected: Core, actual: Core): string[] {
	const differences = compareTables(expected.tables, actual.tables);
	if (expected.schema.objects !== actual.schema.objects) {
		differences.unshift(
			`The schema has ${actual.schema.objects} objects instead of ${expected.schema.objects}.`,
		);
	} else if (expected.schema.sha256 !== actual.schema.sha256) {
		differences.unshift('The schema has other definitions.');
	}
	return differences;
}

/** What differs between the tables of two such lists, in words. */
export function compareTables(expected: TableDigest[], actual: TableDigest[]): string[] {
	const was = byName(expected);
	const is = byName(actual);
	return [...new Set([...was.keys(), ...is.keys()])].flatMap((name) =>
		compareTable(name, was.get(name), is.get(name)),
	);
}

function compareTable(
	name: string,
	was: TableDigest | undefined,
	is: TableDigest | undefined,
): string[] {
	const table = JSON.stringify(name);
	if (!is) return [`The table ${table} is missing.`];
	if (!was) return [`The table ${table} should not be there.`];
	if (was.rows !== is.rows)
		return [`The table ${table} has ${is.rows} rows instead of ${was.rows}.`];
	return was.sha256 === is.sha256 ? [] : [`The table ${table} has other rows.`];
}

function byName(tables: TableDigest[]): Map<string, TableDigest> {
	const counted = tables.filter(({ name, rows }) => name !== 'sqlite_sequence' || rows > 0);
	return new Map(counted.map((table) => [table.name, table]));
}
