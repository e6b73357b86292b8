import type { Row } from '../database.ts';
import { ROW_SEPARATOR } from '../format/digest.ts';
import type { Table } from './schema.ts';
import { keyOfRow, only, type Position } from './keys.ts';
import { hexLiteral, isRewritten, octets } from './literals.ts';
import { quoteName } from '../sql.ts';
import { type Form, joinedPage, type PageRequest, separatePage, unpivoted } from './queries.ts';
import { type Reader, ResultTooLarge } from './reader.ts';

/**
 * Bytes of SQL that a page aims at. D1 allows 2,000,000 in one value (Platform > Limits), and the
 * rows of the next page may be a third longer than those of the last.
 */
const PAGE_BYTES = 1_500_000;
/** Rows of a table's first page, whose width is not known yet. */
const FIRST_PAGE_ROWS = 256;
/** A page may hold this many times the rows of the page before. */
const PAGE_GROWTH = 16;
/** Rows of the largest page: D1 ends a query after 30 seconds (Platform > Limits). */
const MAX_PAGE_ROWS = 20_000;

/** Values of a long row up to this many bytes stay where they are, the others go in pieces. */
const MAX_INLINE_OCTETS = 256;
/** Bytes of a value in one piece: twice that in hexadecimal, within one statement. */
const PIECE_OCTETS = 40_000;
/** Bytes of a value read at once, a whole number of pieces: twice that in hexadecimal. */
const SLICE_OCTETS = 20 * PIECE_OCTETS;

/** Rows of each table that the first batch of a small database reads. */
const SMALL_TABLE_ROWS = 5_000;

/** Rows as they stand in the SQL file, `(1,'a'),\n(2,'b')`, in key order. */
export interface Rows {
	kind: 'rows';
	sql: Uint8Array;
	/** Where each row ends in `sql`. */
	ends: number[];
}

/** A row too long for one statement, to be read with {@link readLongRow}. */
export interface LongRow {
	kind: 'long';
	/** The end of a SELECT that finds this row alone: from WHERE on. */
	address: string;
	/** The place behind it. */
	next: Position;
}

/** A short value's literal, or the bytes of a long value in hexadecimal pieces. */
export type LongRowValue =
	string | { type: 'text' | 'blob'; pieces(): AsyncGenerator<string, void, void> };

/** A page of rows as it was read. */
export interface Page {
	parts: (Rows | LongRow)[];
	rows: number;
	/** Bytes of SQL, where a long row counts as the longest of the others may. */
	bytes: number;
	/** True when the table has no rows behind this page. */
	last: boolean;
	next: Position;
	form: Form;
}

/** Where reading a table goes on, and how its pages were read before. */
export interface Place {
	position: Position;
	limit: number;
	form: Form;
}

/** Where reading a table begins. */
export const START: Place = {
	position: { key: null, offset: 0 },
	limit: FIRST_PAGE_ROWS,
	form: 'quick',
};

/** What reading a table is told. */
export interface ReadingOptions {
	/** Bytes of a row's literals, above which it comes as a {@link LongRow}. */
	maxRowBytes: number;
	from: Place;
	/** The first page, where it has been read already. */
	first: Page | undefined;
	/** Asked between pages and behind long rows: whether to stop there. */
	mustPause(): boolean;
}

/**
 * Reads the rows of a table in key order, page by page, each row once, as literals that SQLite
 * itself prints. While a page is being used, the next one is being read. Returns null when all rows
 * have been read, or the place where it was told to stop.
 *
 * Throws what {@link Reader.batch} throws.
 */
export async function* readRows(
	reader: Reader,
	table: Table,
	{ maxRowBytes, from, first, mustPause }: ReadingOptions,
): AsyncGenerator<Rows | LongRow, Place | null, void> {
	let { limit, form } = from;
	const read = async (position: Position): Promise<Page> => {
		for (;;) {
			try {
				return await readPage(reader, { table, position, limit, maxRowBytes, form });
			} catch (error) {
				if (!(error instanceof ResultTooLarge)) throw error;
				if (form === 'exact' && limit === 1) throw error;
				if (form === 'exact') limit = Math.ceil(limit / 4);
				form = 'exact';
			}
		}
	};
	let page = first ?? (await read(from.position));
	for (;;) {
		form = page.form;
		limit = nextLimit(limit, page);
		const next = page.last || mustPause() ? null : read(page.next);
		next?.catch(() => {}); // it is reported below, unless the caller stops before
		for (const part of page.parts) {
			yield part;
			if (part.kind === 'long' && mustPause()) return { position: part.next, limit, form };
		}
		if (page.last) return null;
		if (next === null) return { position: page.next, limit, form };
		page = await next;
	}
}

/** The first page of a table of a small database, which may be all of it. */
export function firstPageOf(table: Table, maxRowBytes: number): PageRequest {
	return {
		...{ table, maxRowBytes },
		position: START.position,
		limit: SMALL_TABLE_ROWS,
		form: 'exact', // nothing is to be read again
	};
}

/** Reads a row that is too long for one statement, its long values slice by slice. */
export async function readLongRow(
	reader: Reader,
	table: Table,
	{ address }: LongRow,
): Promise<LongRowValue[]> {
	const value = `iif(${octets('v')}<=${MAX_INLINE_OCTETS},${hexLiteral('v')},typeof(v)||':'||octet_length(v))`;
	const [result] = await reader.batch([
		`SELECT (${unpivoted(table)} SELECT group_concat(${value}) FROM u) AS "values",` +
			`total_changes() AS changes FROM ${quoteName(table.name)} AS s ${address}`,
	]);
	const names = table.rowid ? [table.rowid, ...table.columns] : table.columns;
	return splitLiterals(String(result?.results[0]?.['values'])).map((text, index) => {
		const [, type, octetCount] = /^(text|blob):(\d+)$/.exec(text) ?? [];
		if (type === undefined) return text;
		const column = quoteName(names[index] ?? '');
		return {
			type: type as 'text' | 'blob',
			pieces: () => readPieces(reader, table, address, column, Number(octetCount)),
		};
	});
}

async function* readPieces(
	reader: Reader,
	table: Table,
	address: string,
	column: string,
	octetCount: number,
): AsyncGenerator<string, void, void> {
	for (let start = 0; start < octetCount; start += SLICE_OCTETS) {
		const [result] = await reader.batch([
			`SELECT hex(substr(CAST(${column} AS BLOB),${start + 1},${SLICE_OCTETS})) AS slice,total_changes() AS changes FROM ${quoteName(table.name)} AS s ${address}`,
		]);
		const slice = String(result?.results[0]?.['slice']);
		for (let at = 0; at < slice.length; at += 2 * PIECE_OCTETS) {
			yield slice.slice(at, at + 2 * PIECE_OCTETS);
		}
	}
}

function nextLimit(limit: number, page: Page): number {
	const fitting = Math.floor((PAGE_BYTES * page.rows) / Math.max(page.bytes, page.rows));
	return Math.max(1, Math.min(fitting, limit * PAGE_GROWTH, MAX_PAGE_ROWS));
}

async function readPage(reader: Reader, request: PageRequest): Promise<Page> {
	const [result] = await reader.batch([joinedPage(request)]);
	return parsePage(reader, request, result?.results[0] ?? {});
}

/**
 * What the answer to {@link joinedPage} says, or, where it did not arrive as SQLite has printed it, the
 * page read again. Throws what {@link Reader.batch} throws.
 */
export async function parsePage(reader: Reader, request: PageRequest, row: Row): Promise<Page> {
	const lengths = row['lengths'] === null ? [] : String(row['lengths']).split(',').map(Number);
	const { position, form } = request;
	if (lengths.length === 0) {
		return { parts: [], rows: 0, bytes: 0, last: true, next: position, form };
	}
	const text = String(row['text']);
	if (form === 'quick' && isRewritten(text)) return readPage(reader, { ...request, form: 'exact' });
	const sql = new TextEncoder().encode(text);
	if (!arrivedAsPrinted(text, sql, lengths)) {
		return readPageRowByRow(reader, request);
	}
	const longKeys = row['long'] === null ? [] : String(row['long']).split(';');
	const lastKey = row['last'] === null ? null : String(row['last']);
	return assemble(request, { sql, lengths, longKeys, lastKey });
}

/**
 * JSON carries no invalid UTF-8: such bytes arrive as U+FFFD. They may even be as many bytes as
 * that, so a page that holds the character at all is looked at row by row.
 */
function arrivedAsPrinted(text: string, sql: Uint8Array, lengths: number[]): boolean {
	const printed = lengths.reduce((total, length) => total + length, 0);
	const separators = ROW_SEPARATOR.length * (lengths.length - 1);
	return sql.length === printed + separators && !text.includes('\uFFFD');
}

/**
 * The page again, each row on its own and in two forms: a row with U+FFFD or invalid UTF-8 takes
 * the one with all text in hexadecimal. That depends on the row alone, as digests need.
 */
async function readPageRowByRow(reader: Reader, request: PageRequest): Promise<Page> {
	const [result] = await reader.batch([separatePage(request)]);
	const rows = result?.results ?? [];
	const encoder = new TextEncoder();
	const texts = rows.map(({ plain, bytes, hex }) => {
		if (plain === null) return '';
		const text = String(plain);
		const arrived = encoder.encode(text).length === bytes && !text.includes('\uFFFD');
		return arrived ? text : String(hex ?? '');
	});
	const keys = rows.map((row) => String(row['key']));
	return assemble(request, {
		sql: encoder.encode(texts.join(ROW_SEPARATOR)),
		lengths: texts.map((text) => encoder.encode(text).length),
		longKeys: keys.filter((_, index) => texts[index] === ''),
		lastKey: keys.at(-1) ?? null,
	});
}

interface PageContents {
	/** Rows joined by {@link ROW_SEPARATOR}; a long row is left empty. */
	sql: Uint8Array;
	lengths: number[];
	/** Keys of the long rows. */
	longKeys: string[];
	/** Key of the last row; null where it has to be taken from the row's own text. */
	lastKey: string | null;
}

function assemble(
	{ table, position, limit, maxRowBytes, form }: PageRequest,
	{ sql, lengths, longKeys, lastKey }: PageContents,
): Page {
	const parts: (Rows | LongRow)[] = [];
	let run: Rows | null = null;
	let runStart = 0;
	let start = 0;
	let longRows = 0;
	lengths.forEach((length, index) => {
		const end = start + length;
		if (length === 0) {
			const row = { key: longKeys[longRows++] || null, offset: position.offset + index };
			const next = { key: row.key, offset: row.offset + 1 };
			parts.push({ kind: 'long', address: only(table.key, row), next });
			run = null;
		} else if (run) {
			run.sql = sql.subarray(runStart, end);
			run.ends.push(end - runStart);
		} else {
			runStart = start;
			run = { kind: 'rows', sql: sql.subarray(start, end), ends: [length] };
			parts.push(run);
		}
		start = end + ROW_SEPARATOR.length;
	});
	const lastLength = lengths.at(-1) ?? 0;
	const lastRow = () => new TextDecoder().decode(sql.subarray(sql.length - lastLength));
	const key =
		lastKey ?? (lastLength === 0 ? longKeys.at(-1) : keyOfRow(table, splitLiterals(lastRow())));
	return {
		parts,
		rows: lengths.length,
		bytes: sql.length + longKeys.length * maxRowBytes,
		last: lengths.length < limit,
		next: { key: key || null, offset: position.offset + lengths.length },
		form,
	};
}

/** Splits `(1,'a,b',NULL)`, with or without parentheses, into its literals. */
function splitLiterals(row: string): string[] {
	const inner = row.startsWith('(') ? row.slice(1, -1) : row;
	return inner.match(/(?:'(?:[^']|'')*'|[^,'])+/g) ?? [];
}
