import type { Row } from '../database.ts';
import { ROW_SEPARATOR } from '../format/digest.ts';
import type { Rows } from './inserts.ts';
import { keyOfRow, only, type Position } from './keys.ts';
import { isRewritten, splitLiterals } from './literals.ts';
import { type LongRow, rowOf } from './long-rows.ts';
import { type Form, joinedPage, type PageRequest, separatePage } from './queries.ts';
import type { Reader } from './reader.ts';

/** A page of rows as it was read. */
export interface Page {
	parts: (Rows | LongRow)[];
	rows: number;
	/** Bytes of SQL; each long row counts as `maxRowBytes`. */
	bytes: number;
	/** Whether the table has no rows after this page. */
	last: boolean;
	next: Position;
	form: Form;
}

/** Reads a page with one query, rarely two or three. Throws what {@link Reader.batch} throws. */
export async function readPage(reader: Reader, request: PageRequest): Promise<Page> {
	const [result] = await reader.batch([joinedPage(request)]);
	return parsePage(reader, request, result?.results[0] ?? {});
}

/**
 * The page in the answer to {@link joinedPage}. Reads the page again if it did not arrive as SQLite
 * printed it. Throws what {@link Reader.batch} throws.
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
 * JSON cannot carry invalid UTF-8: such bytes arrive as U+FFFD. The replacement may even have the
 * same length, so a page that contains this character at all is checked row by row.
 */
function arrivedAsPrinted(text: string, sql: Uint8Array, lengths: number[]): boolean {
	const printed = lengths.reduce((total, length) => total + length, 0);
	const separators = ROW_SEPARATOR.length * (lengths.length - 1);
	return sql.length === printed + separators && !text.includes('\uFFFD');
}

/**
 * Reads the page again, each row on its own and in two forms. A row with U+FFFD or invalid UTF-8 is
 * taken in the form with all text in hexadecimal. The choice depends on the row alone, so that the
 * digest does too.
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
	/** Rows joined by {@link ROW_SEPARATOR}; a long row is empty here. */
	sql: Uint8Array;
	lengths: number[];
	/** Keys of the long rows. */
	longKeys: string[];
	/** Key of the last row; null if it has to be taken from the row's own text. */
	lastKey: string | null;
}

function assemble(request: PageRequest, contents: PageContents): Page {
	const { position, limit, maxRowBytes, form } = request;
	const { sql, lengths, longKeys } = contents;
	return {
		parts: partsOf(request, contents),
		rows: lengths.length,
		bytes: sql.length + longKeys.length * maxRowBytes,
		last: lengths.length < limit,
		next: { key: lastKeyOf(request, contents), offset: position.offset + lengths.length },
		form,
	};
}

/** Runs of rows, and the long rows between them. */
function partsOf(
	{ table, position }: PageRequest,
	{ sql, lengths, longKeys }: PageContents,
): (Rows | LongRow)[] {
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
			parts.push({ kind: 'long', source: rowOf(table, only(table.key, row)), next });
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
	return parts;
}

/** The key of the last row; null if there is none or it is too long. */
function lastKeyOf(
	{ table }: PageRequest,
	{ sql, lengths, longKeys, lastKey }: PageContents,
): string | null {
	const length = lengths.at(-1) ?? 0;
	if (lastKey !== null) return lastKey || null;
	if (length === 0) return longKeys.at(-1) || null;
	const row = new TextDecoder().decode(sql.subarray(sql.length - length));
	return keyOfRow(table, splitLiterals(row)) || null;
}
