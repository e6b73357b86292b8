import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import { SEQUENCE } from '../sql.ts';

/** What is between two rows of a statement, and so between two rows of what is digested. */
export const ROW_SEPARATOR = ',\n';

/** The digest of a table's rows in key order, in hexadecimal: see {@link RowDigest}. */
export interface TableDigest {
	name: string;
	rows: number;
	sha256: string;
}

/** What a backup says about a database, in its manifest and in the last line of its file. */
export interface Core {
	schema: { objects: number; sha256: string };
	tables: TableDigest[];
	/** Rows in the index of each FTS5 table that a search can find; left out if nothing says. */
	searches?: SearchCount[] | undefined;
}

/** How many rows the index of an FTS5 table has. */
export interface SearchCount {
	name: string;
	rows: number;
}

/** Bytes of a block in the chain. */
const BLOCK_BYTES = 64 * 1024;

/** A digest that is not finished, as JSON. */
export interface DigestState {
	rows: number;
	bytes: number;
	/** SHA-256 so far, in Base64; empty before the first full block. */
	chain: string;
	/** What follows the last full block, in Base64. */
	rest: string;
}

/**
 * SHA-256 over the rows' literals, joined as in the file, as a chain: the digest of each block of
 * 64 KiB is put in front of the next block. So a digest can be saved in the middle of a table,
 * which no runtime allows for a running SHA-256. Up to 64 KiB it is the plain SHA-256.
 */
export class RowDigest {
	rows = 0;
	bytes = 0;
	readonly #block = new Uint8Array(BLOCK_BYTES);
	#chain: Uint8Array = new Uint8Array();
	#filled = 0;

	/** Continues where {@link save} stopped. */
	static from({ rows, bytes, chain, rest }: DigestState): RowDigest {
		const digest = new RowDigest();
		digest.append(Buffer.from(rest, 'base64'));
		digest.#chain = Buffer.from(chain, 'base64');
		digest.rows = rows;
		digest.bytes = bytes;
		return digest;
	}

	/** Adds whole rows, joined by the separator. */
	add(sql: Uint8Array | string, rows: number): void {
		if (this.rows > 0) this.append(ROW_SEPARATOR);
		this.append(sql);
		this.rows += rows;
	}

	/** Adds to the row that was added last. */
	append(sql: Uint8Array | string): void {
		let rest: Uint8Array = typeof sql === 'string' ? Buffer.from(sql) : sql;
		this.bytes += rest.length;
		while (rest.length > 0) {
			if (this.#filled === BLOCK_BYTES) this.#addLink();
			const taken = rest.subarray(0, BLOCK_BYTES - this.#filled);
			this.#block.set(taken, this.#filled);
			this.#filled += taken.length;
			rest = rest.subarray(taken.length);
		}
	}

	hex(): string {
		return this.#link().toString('hex');
	}

	save(): DigestState {
		const chain = Buffer.from(this.#chain).toString('base64');
		const rest = Buffer.from(this.#block.subarray(0, this.#filled)).toString('base64');
		return { rows: this.rows, bytes: this.bytes, chain, rest };
	}

	#addLink(): void {
		this.#chain = this.#link();
		this.#filled = 0;
	}

	#link(): Buffer {
		const hash = createHash('sha256').update(this.#chain);
		return hash.update(this.#block.subarray(0, this.#filled)).digest();
	}
}

/**
 * The differences between what a backup says about a database and what it is, as sentences. An
 * empty `sqlite_sequence` is ignored, because SQLite never drops that table.
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
	return [...differences, ...compareSearches(expected.searches ?? [], actual.searches ?? [])];
}

/**
 * The differences between what searches can find. Equal counts mean the same rows: a rebuilt index
 * has all rows of its table and any other has those that were restored into it, which the digests
 * of the tables cover (docs/format.md).
 */
function compareSearches(expected: SearchCount[], actual: SearchCount[]): string[] {
	const is = new Map(actual.map(({ name, rows }) => [name, rows]));
	return expected
		.filter(({ name, rows }) => is.get(name) !== rows)
		.map(
			({ name, rows }) =>
				`The index of ${JSON.stringify(name)} has ${is.get(name) ?? 'an unknown number of'} rows instead of ${rows}.`,
		);
}

/** The differences between two lists of tables, as sentences. */
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
	if (was.rows !== is.rows) {
		return [`The table ${table} has ${is.rows} rows instead of ${was.rows}.`];
	}
	return was.sha256 === is.sha256 ? [] : [`The table ${table} has other rows.`];
}

function byName(tables: TableDigest[]): Map<string, TableDigest> {
	const counted = tables.filter(({ name, rows }) => name !== SEQUENCE || rows > 0);
	return new Map(counted.map((table) => [table.name, table]));
}
