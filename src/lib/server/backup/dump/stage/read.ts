import { Buffer } from 'node:buffer';
import { type BatchResult, type SqlDatabase, unfenced } from '../../database.ts';
import { ROW_SEPARATOR } from '../../format/digest.ts';
import { STAGE, STAGE_VALUES } from '../../sql.ts';
import { OWNER } from '../../stage-tables.ts';
import type { Rows } from '../inserts.ts';
import { isRewritten } from '../literals.ts';
import type { LongRow, RowSource } from '../long-rows.ts';
import { type Reader, SnapshotChanged } from '../reader.ts';

/* Reads the pages of a stage. */

/** Where reading a staged table continues: a page, a row of it, and the staged values before it. */
export interface StagedPlace {
	page: number;
	row: number;
	/** Rows before this place whose values are staged. */
	copies: number;
}

/** The start of a table. */
export const STAGE_START: StagedPlace = { page: 0, row: 0, copies: 0 };

/** The pages of a table in a stage. */
export interface StagedTable {
	/** The table's place in the catalog. */
	place: number;
	/** The number of its first page; 0 if it has no rows. */
	first: number;
	pages: number;
}

/** A stage, and where each table's pages are in it. */
export interface StagedPages {
	owner: string;
	tables: StagedTable[];
}

/** Bytes of a page that one query reads in hexadecimal. */
const SLICE_BYTES = 900_000;
const QUOTE = 0x27;
const X = 0x58;
const REPLACEMENT = '\uFFFD';

/**
 * The database as a stage shows it, which nobody else writes to: each batch throws
 * {@link SnapshotChanged} unless the stage is still that of this backup.
 */
export function stageOf(database: SqlDatabase, owner: string): SqlDatabase {
	return unfenced({
		async batch(statements): Promise<BatchResult> {
			const { results, bookmark } = await database.batch([OWNER, ...statements]);
			if (results[0]?.results[0]?.['owner'] !== owner) throw new SnapshotChanged();
			return { results: results.slice(1), bookmark };
		},
	});
}

/**
 * Reads the rows of a staged table like `readRows`. Returns null after the last row, or the place
 * where `mustPause` stopped it.
 */
export async function* readStaged(
	reader: Reader,
	table: StagedTable,
	options: { maxRowBytes: number; from: StagedPlace; mustPause(): boolean },
): AsyncGenerator<Rows | LongRow, StagedPlace | null, void> {
	const { maxRowBytes, from, mustPause } = options;
	let { row, copies } = from;
	for (let page = from.page; page < table.pages; page++) {
		if (page > from.page && mustPause()) return { page, row: 0, copies };
		const rows = await readPage(reader, table.first + page, maxRowBytes);
		for (const { part, next } of partsOf(rows, table.place, { row, copies })) {
			yield part;
			({ row, copies } = next);
			if (part.kind === 'long' && row < rows.length && mustPause()) return { page, row, copies };
		}
		row = 0;
	}
	return null;
}

/** A row of a page: its text, or null if its values have to be read; and whether these are staged. */
interface StagedRow {
	sql: Uint8Array | null;
	isCopied: boolean;
}

async function readPage(reader: Reader, seq: number, maxRowBytes: number): Promise<StagedRow[]> {
	const [result] = await reader.batch([`SELECT page FROM ${STAGE} WHERE seq = ${seq}`]);
	const page = result?.results[0]?.['page'];
	if (typeof page !== 'string') return []; // its rows were deleted before the stage was made
	const headEnd = page.indexOf('\n');
	const lengths = page.slice(0, headEnd).split(',').map(Number);
	const text = page.slice(headEnd + 1);
	const bytes = new TextEncoder().encode(text);
	const printed = lengths.reduce((total, length) => total + Math.abs(length), 0);
	const separators = ROW_SEPARATOR.length * (lengths.length - 1);
	const hasArrived = bytes.length === printed + separators && !text.includes(REPLACEMENT);
	if (hasArrived && !isRewritten(text)) return split(bytes, lengths, (sql) => sql);
	// JSON cannot carry invalid UTF-8, so the bytes themselves are read.
	const exact = hasArrived ? bytes : (await readBytes(reader, seq)).subarray(headEnd + 1);
	return split(exact, lengths, (sql) => {
		const written = rewritten(sql);
		return written.length <= maxRowBytes ? written : null;
	});
}

function split(
	bytes: Uint8Array,
	lengths: number[],
	written: (sql: Uint8Array) => Uint8Array | null,
): StagedRow[] {
	let start = 0;
	return lengths.map((length) => {
		const sql = bytes.subarray(start, start + Math.abs(length));
		start += sql.length + ROW_SEPARATOR.length;
		return { sql: sql.length > 0 ? written(sql) : null, isCopied: length <= 0 };
	});
}

async function readBytes(reader: Reader, seq: number): Promise<Uint8Array> {
	const slices: Buffer[] = [];
	do {
		const start = slices.length * SLICE_BYTES + 1;
		const [result] = await reader.batch([
			`SELECT hex(substr(CAST(page AS BLOB),${start},${SLICE_BYTES})) AS slice FROM ${STAGE} WHERE seq = ${seq}`,
		]);
		slices.push(Buffer.from(String(result?.results[0]?.['slice'] ?? ''), 'hex'));
	} while (slices.at(-1)?.length === SLICE_BYTES);
	return Buffer.concat(slices);
}

/**
 * A row as the exact form prints it, or with all text in hexadecimal if that is still not valid UTF-8
 * without U+FFFD.
 */
function rewritten(sql: Uint8Array): Uint8Array {
	const exact = isRewritten(textOf(sql)) ? inHexadecimal(sql, isRewritten) : sql;
	return textOf(exact).includes(REPLACEMENT) ? inHexadecimal(exact, () => true) : exact;
}

function textOf(bytes: Uint8Array): string {
	return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);
}

/** A row with some of its texts in hexadecimal, as `hexLiteral` prints them. */
function inHexadecimal(sql: Uint8Array, isChosen: (text: string) => boolean): Uint8Array {
	const parts: Buffer[] = [];
	let copied = 0;
	for (let at = sql.indexOf(QUOTE); at !== -1; at = sql.indexOf(QUOTE, at)) {
		const isBlob = sql[at - 1] === X;
		const end = closingQuote(sql, at);
		const inner = isBlob ? '' : Buffer.from(sql.subarray(at + 1, end)).toString('latin1');
		if (!isBlob && isChosen(inner)) {
			const hex = Buffer.from(inner.replaceAll("''", "'"), 'latin1').toString('hex');
			parts.push(Buffer.from(sql.subarray(copied, at)));
			parts.push(Buffer.from(`CAST(X'${hex.toUpperCase()}' AS TEXT)`));
			copied = end + 1;
		}
		at = end + 1;
	}
	parts.push(Buffer.from(sql.subarray(copied)));
	return Buffer.concat(parts);
}

/** The index of the quote that ends the literal whose first quote is at `start`. */
function closingQuote(sql: Uint8Array, start: number): number {
	let end = sql.indexOf(QUOTE, start + 1);
	while (sql[end + 1] === QUOTE) end = sql.indexOf(QUOTE, end + 2);
	return end;
}

/** The rows of a page from one of them on, as runs of rows and the long rows between them. */
function* partsOf(
	rows: StagedRow[],
	place: number,
	from: Omit<StagedPlace, 'page'>,
): Generator<{ part: Rows | LongRow; next: Omit<StagedPlace, 'page'> }, void, void> {
	let { copies } = from;
	let run: Uint8Array[] = [];
	for (let row = from.row; row < rows.length; row++) {
		const { sql, isCopied } = rows[row] ?? { sql: null, isCopied: false };
		if (isCopied) copies++;
		if (sql !== null) run.push(sql);
		const isLast = row === rows.length - 1;
		if (run.length > 0 && (sql === null || isLast)) {
			// The place before a long row, so that it is read again after a pause.
			yield {
				part: joined(run),
				next: { row: sql === null ? row : row + 1, copies: sql === null ? copies - 1 : copies },
			};
			run = [];
		}
		if (sql === null) {
			const next = { key: null, offset: row + 1 };
			yield {
				part: { kind: 'long', source: copyOf(place, copies), next },
				next: { row: row + 1, copies },
			};
		}
	}
}

function joined(run: Uint8Array[]): Rows {
	const ends: number[] = [];
	const chunks: Uint8Array[] = [];
	let end = -ROW_SEPARATOR.length;
	for (const sql of run) {
		if (chunks.length > 0) chunks.push(Buffer.from(ROW_SEPARATOR));
		chunks.push(sql);
		end += ROW_SEPARATOR.length + sql.length;
		ends.push(end);
	}
	return { kind: 'rows', sql: Buffer.concat(chunks), ends };
}

/** The n-th row of a table whose values are staged. */
function copyOf(place: number, n: number): RowSource {
	const from = `FROM ${STAGE_VALUES} WHERE tbl = ${place} AND n = ${n}`;
	return {
		unpivoted: `WITH u(v) AS (SELECT value ${from} ORDER BY col)`,
		from: '',
		value: (index) => ({ column: 'value', from: `${from} AND col = ${index}` }),
	};
}
