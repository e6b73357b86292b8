import { ROW_SEPARATOR } from '../format/digest.ts';
import { MAX_COLUMNS, MAX_STATEMENT_VALUES, MAX_WRITTEN_STATEMENT_BYTES } from '../limits.ts';
import { quoteName } from '../sql.ts';
import type { Table } from './schema.ts';

/** Rows as they stand in the SQL file, `(1,'a'),\n(2,'b')`, in key order. */
export interface Rows {
	kind: 'rows';
	sql: Uint8Array;
	/** Where each row ends in `sql`. */
	ends: number[];
}

/** The rows of an INSERT that has room for more, joined as in the file. */
export interface OpenInsert {
	sql: string;
	rows: number;
}

/**
 * Packs the rows of a table into INSERT statements: a row goes into the open statement if it fits,
 * otherwise into the next. A statement is returned only when it is complete.
 */
export class InsertWriter {
	readonly #start: Uint8Array;
	readonly #maxRows: number;
	/** Runs of rows of the open statement. Separators are within the runs, not between them. */
	#runs: Uint8Array[] = [];
	#bytes = 0;
	#rows = 0;

	constructor(table: Table, open: OpenInsert | null = null) {
		this.#start = encode(insertStart(table));
		this.#maxRows = maxRows(table);
		if (open) this.#addRun(encode(open.sql), open.rows);
	}

	/** Adds rows; yields the statements that they complete. */
	*add({ sql, ends }: Rows): Generator<Uint8Array, void, void> {
		let from = 0; // first byte that is in no run yet
		let rows = 0; // rows since then
		let rowStart = 0;
		for (const end of ends) {
			if (!this.#takes(end - from, rows + 1)) {
				// The run ends before the separator in front of this row.
				if (rows > 0) this.#addRun(sql.subarray(from, rowStart - ROW_SEPARATOR.length), rows);
				yield* this.end();
				from = rowStart;
				rows = 0;
			}
			rows++;
			rowStart = end + ROW_SEPARATOR.length;
		}
		// A copy, so that the memory of the page is free once it has been read.
		this.#addRun(sql.slice(from), rows);
	}

	/** Completes the open statement, if there is one. */
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

	/** The statement that is not complete; null if there is none. */
	open(): OpenInsert | null {
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

	/** Whether a run of so many bytes and rows fits. The first row of a statement always does. */
	#takes(bytes: number, rows: number): boolean {
		if (this.#rows === 0 && rows === 1) return true;
		const total = this.#start.length + this.#bytes + bytes + ROW_SEPARATOR.length + END.length;
		return total <= MAX_WRITTEN_STATEMENT_BYTES && this.#rows + rows <= this.#maxRows;
	}
}

const END = encode(';\n');
const SEPARATOR = encode(ROW_SEPARATOR);

/** Bytes of a row's literals that one INSERT can hold. */
export function maxRowBytes(table: Table): number {
	const around = encode(insertStart(table)).length + END.length + SEPARATOR.length;
	return MAX_WRITTEN_STATEMENT_BYTES - around;
}

/** The table and its columns, as an INSERT names them. */
export function insertTarget(table: Table): string {
	const columns = table.columns.map(quoteName);
	if (table.rowid) columns.unshift(table.rowid);
	return `${quoteName(table.name)} (${columns.join(',')})`;
}

/** Text as UTF-8. */
export function encode(text: string): Uint8Array {
	return new TextEncoder().encode(text);
}

/**
 * With its rowid, a table of {@link MAX_COLUMNS} has one value too many for a list of several rows.
 */
function maxRows(table: Table): number {
	const columns = table.columns.length + (table.rowid ? 1 : 0);
	return columns > MAX_COLUMNS ? 1 : Math.floor(MAX_STATEMENT_VALUES / (columns + 1));
}

function insertStart(table: Table): string {
	return `INSERT INTO ${insertTarget(table)} VALUES\n`;
}
