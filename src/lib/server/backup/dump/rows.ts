import { LifeboatError } from '../../errors.ts';
import { ROW_SEPARATOR, type RowDigest } from '../digest.ts';
import type { Table } from './catalog.ts';
import { quoteName } from './literals.ts';
import type { LongRowValue, Rows } from './pages.ts';

/** D1 takes statements of up to 100,000 bytes (Platform > Limits); the rest is a margin. */
const MAX_STATEMENT_BYTES = 90_000;
/**
 * Rows times columns of one INSERT. SQLite 3.47 in D1 stops at 25,000 opcodes a statement (workerd,
 * sqlite.c++): one a value, one a row, and a few more for those that are no plain literal.
 */
const MAX_STATEMENT_VALUES = 10_000;

/**
 * D1's limit of columns (Platform > Limits) is also one of a list of several rows of values; with
 * the rowid beside them, 100 columns are one too many for that, but not for a single row.
 */
const MAX_RESULT_COLUMNS = 100;

/** The table that holds the pieces of long values while a file is being restored. */
export interface Scratch {
	name: string;
	created: boolean;
}

/** Packs rows into INSERT statements: a row goes into the open one if it fits, else into the next. */
export class Statements {
	readonly #start: Uint8Array;
	readonly #maxRows: number;
	#bytes = 0;
	#rows = 0;

	constructor(table: Table) {
		this.#start = encode(insertStart(table));
		this.#maxRows = maxRows(table);
	}

	*add({ sql, ends }: Rows): Generator<Uint8Array, void, void> {
		let from = 0; // first byte not handed out yet
		let rowStart = 0;
		for (const end of ends) {
			const length = end - rowStart;
			if (this.#rows > 0 && !this.#takes(length)) {
				// What is handed out ends before the separator in front of this row.
				if (rowStart > from) yield sql.subarray(from, rowStart - ROW_SEPARATOR.length);
				yield* this.end();
				from = rowStart;
			}
			if (this.#rows === 0) {
				yield this.#start;
				this.#bytes = this.#start.length + END.length;
			} else if (rowStart === 0) {
				yield SEPARATOR; // the row before stands in the part before
			}
			this.#bytes += length + ROW_SEPARATOR.length;
			this.#rows++;
			rowStart = end + ROW_SEPARATOR.length;
		}
		yield sql.subarray(from);
	}

	*end(): Generator<Uint8Array, void, void> {
		if (this.#rows > 0) yield END;
		this.#rows = 0;
	}

	#takes(length: number): boolean {
		const bytes = this.#bytes + length + ROW_SEPARATOR.length;
		return bytes <= MAX_STATEMENT_BYTES && this.#rows < this.#maxRows;
	}
}

const END = encode(';\n');
const SEPARATOR = encode(ROW_SEPARATOR);

/**
 * A row that no statement can hold: its long values are put down in pieces first and joined by the
 * INSERT itself, so that constraints see the finished row only, and nothing is ever updated or
 * replaced, which would fire ON DELETE actions.
 */
export async function* writeLongRow(
	table: Table,
	values: LongRowValue[],
	digest: RowDigest,
	scratch: Scratch,
): AsyncGenerator<Uint8Array, void, void> {
	const pieces = quoteName(scratch.name);
	if (!scratch.created) {
		yield encode(`CREATE TABLE ${pieces} (id INTEGER PRIMARY KEY, value);\n`);
		scratch.created = true;
	}
	const expressions: string[] = [];
	let id = 0;
	digest.add('(', 1);
	for (const [index, value] of values.entries()) {
		if (index > 0) digest.append(',');
		if (typeof value === 'string') {
			expressions.push(value);
			digest.append(value);
			continue;
		}
		const first = id + 1;
		digest.append(value.type === 'text' ? "CAST(X'" : "X'");
		for await (const piece of value.pieces()) {
			yield encode(`INSERT INTO ${pieces} VALUES (${++id},X'${piece}');\n`);
			digest.append(piece);
		}
		digest.append(value.type === 'text' ? "' AS TEXT)" : "'");
		expressions.push(
			`(SELECT CAST(group_concat(value,'') AS ${value.type.toUpperCase()}) FROM ${pieces} WHERE id BETWEEN ${first} AND ${id})`,
		);
	}
	digest.append(')');
	const { length } = expressions;
	const statement = encode(
		`INSERT INTO ${target(table)} VALUES (${expressions.join(',')});\nDELETE FROM ${pieces};\n`,
	);
	if (length === 0 || statement.length > MAX_STATEMENT_BYTES) throw tooLong(table);
	yield statement;
}

function tooLong(table: Table): LifeboatError {
	return new LifeboatError(`A row of the table ${quoteName(table.name)} fits no statement.`, {
		code: 'row_too_long',
		status: 422,
		hint: 'Its column names alone are too long for the SQL that D1 takes; shorten them.',
	});
}

function maxRows(table: Table): number {
	const columns = table.columns.length + (table.rowid ? 1 : 0);
	return columns > MAX_RESULT_COLUMNS ? 1 : Math.floor(MAX_STATEMENT_VALUES / (columns + 1));
}

/** Bytes of a row's literals up to which one INSERT can hold it. */
export function maxRowBytes(table: Table): number {
	return MAX_STATEMENT_BYTES - encode(insertStart(table)).length - END.length - SEPARATOR.length;
}

function insertStart(table: Table): string {
	return `INSERT INTO ${target(table)} VALUES\n`;
}

function target(table: Table): string {
	const columns = table.columns.map(quoteName);
	if (table.rowid) columns.unshift(table.rowid);
	return `${quoteName(table.name)} (${columns.join(',')})`;
}

function encode(text: string): Uint8Array {
	return new TextEncoder().encode(text);
}
