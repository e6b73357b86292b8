import { ROW_SEPARATOR } from '../format/digest.ts';
import { MAX_COLUMNS, MAX_STATEMENT_VALUES, MAX_WRITTEN_STATEMENT_BYTES } from '../limits.ts';
import { quoteName } from '../sql.ts';
import { type OpenSlice, SliceBounds, type SliceSizes } from './bounds.ts';
import type { Table } from './schema.ts';

/** Rows as they stand in the SQL file, `(1,'a'),\n(2,'b')`, in key order. */
export interface Rows {
	kind: 'rows';
	sql: Uint8Array;
	/** Where each row ends in `sql`. */
	ends: number[];
}

/** The rows of an INSERT that has room for more, joined as in the file, and the slice that it is in. */
export interface OpenInsert {
	sql: string;
	rows: number;
	slice: OpenSlice;
}

/**
 * Packs the rows of a table into INSERT statements: a row goes into the open statement if it fits and
 * its slice goes on, otherwise into the next. A statement is returned only when it is complete.
 */
export class InsertWriter {
	readonly #start: Uint8Array;
	readonly #maxRows: number;
	readonly #bounds: SliceBounds;
	readonly #onSliceEnd: (rows: number) => void;
	/** Runs of rows of the open statement. Separators are within the runs, not between them. */
	#runs: Uint8Array[] = [];
	#bytes = 0;
	#rows = 0;

	/** `onSliceEnd` is called with the rows of each slice, once its statements have been taken. */
	constructor(
		table: Table,
		open: OpenInsert | null,
		{ sizes, onSliceEnd }: { sizes?: SliceSizes | undefined; onSliceEnd: (rows: number) => void },
	) {
		this.#start = encode(insertStart(table));
		this.#maxRows = maxRows(table);
		this.#bounds = new SliceBounds(table, open?.slice, sizes);
		this.#onSliceEnd = onSliceEnd;
		if (open && open.rows > 0) this.#addRun(encode(open.sql), open.rows);
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
				yield* this.#endStatement();
				from = rowStart;
				rows = 0;
			}
			rows++;
			const endsSlice = this.#bounds.endsAfter(sql, rowStart, end);
			rowStart = end + ROW_SEPARATOR.length;
			if (!endsSlice) continue;
			this.#addRun(sql.subarray(from, end), rows);
			yield* this.end();
			from = rowStart;
			rows = 0;
		}
		// A copy, so that the memory of the page is free once it has been read.
		if (rows > 0) this.#addRun(sql.slice(from), rows);
	}

	/** Completes the open statement, and with it the slice. */
	*end(): Generator<Uint8Array, void, void> {
		yield* this.#endStatement();
		this.#onSliceEnd(this.#bounds.end().rows);
	}

	*#endStatement(): Generator<Uint8Array, void, void> {
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

	/** The statement that is not complete, and the slice that it is in. */
	open(): OpenInsert {
		const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
		const sql = this.#runs.map((run) => decoder.decode(run)).join(ROW_SEPARATOR);
		return { sql, rows: this.#rows, slice: this.#bounds.save() };
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
