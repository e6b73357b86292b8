import { LifeboatError } from '../../errors.ts';
import { ROW_SEPARATOR, type RowDigest } from '../format/digest.ts';
import { MAX_COLUMNS, MAX_STATEMENT_VALUES, MAX_WRITTEN_STATEMENT_BYTES } from '../limits.ts';
import type { Table } from './schema.ts';
import { quoteName } from '../sql.ts';
import type { LongRowValue, Rows } from './pages.ts';

/** The table that holds the pieces of long values while a file is being restored. */
export interface Scratch {
	name: string;
	created: boolean;
}

/** The rows of a statement that has room for more, joined as in the file. */
export interface OpenStatement {
	sql: string;
	rows: number;
}

/**
 * Packs rows into INSERT statements: a row goes into the open one if it fits, else into the next. No
 * statement is handed out before it is complete.
 */
export class Statements {
	readonly #start: Uint8Array;
	readonly #maxRows: number;
	/** Runs of rows of the open statement; separators stand within them, not between. */
	#runs: Uint8Array[] = [];
	#bytes = 0;
	#rows = 0;

	constructor(table: Table, open: OpenStatement | null = null) {
		this.#start = encode(insertStart(table));
		this.#maxRows = maxRows(table);
		if (open) this.#addRun(encode(open.sql), open.rows);
	}

	*add({ sql, ends }: Rows): Generator<Uint8Array, void, void> {
		let from = 0; // first byte that is in no run yet
		let rows = 0; // rows from there
		let rowStart = 0;
		for (const end of ends) {
			if (!this.#takes(end - from, rows + 1)) {
				// What is handed out ends before the separator in front of this row.
				if (rows > 0) this.#addRun(sql.subarray(from, rowStart - ROW_SEPARATOR.length), rows);
				yield* this.end();
				from = rowStart;
				rows = 0;
			}
			rows++;
			rowStart = end + ROW_SEPARATOR.length;
		}
		// A copy, so that a page is free as soon as it has been read.
		this.#addRun(sql.slice(from), rows);
	}

	*end(): Generator<Uint8Array, void, void> {
		if (this.#rows === 0) return;
		yield this.#start;
		for (const [index, run] of this.#runs.entries()) {
			if (index > 0) yield SEPARATOR;
			yield run;
		}
		yield END;
		this.#runs = [];
		this.#bytes = 0;
		this.#rows = 0;
	}

	/** The statement that is not complete; null where there is none. */
	open(): OpenStatement | null {
		if (this.#rows === 0) return null;
		const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
		const sql = this.#runs.map((run) => decoder.decode(run)).join(ROW_SEPARATOR);
		return { sql, rows: this.#rows };
	}

	#addRun(run: Uint8Array, rows: number): void {
		this.#runs.push(run);
		this.#bytes += run.length + ROW_SEPARATOR.length;
		this.#rows += rows;
	}

	/** Whether a run of so many bytes and rows fits; the first row of a statement always does. */
	#takes(bytes: number, rows: number): boolean {
		if (this.#rows === 0 && rows === 1) return true;
		const total = this.#start.length + this.#bytes + bytes + ROW_SEPARATOR.length + END.length;
		return total <= MAX_WRITTEN_STATEMENT_BYTES && this.#rows + rows <= this.#maxRows;
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
	if (length === 0 || statement.length > MAX_WRITTEN_STATEMENT_BYTES) throw tooLong(table);
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
	return columns > MAX_COLUMNS ? 1 : Math.floor(MAX_STATEMENT_VALUES / (columns + 1));
}

/** Bytes of a row's literals up to which one INSERT can hold it. */
export function maxRowBytes(table: Table): number {
	return (
		MAX_WRITTEN_STATEMENT_BYTES - encode(insertStart(table)).length - END.length - SEPARATOR.length
	);
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
