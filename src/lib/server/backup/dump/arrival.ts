import { Buffer } from 'node:buffer';
import { ROW_SEPARATOR } from '../format/digest.ts';
import type { Rows } from './inserts.ts';
import { isRewritten } from './literals.ts';

/*
 * How the text of a page becomes rows of the file. It arrives as JSON, which cannot carry invalid
 * UTF-8: such bytes arrive as U+FFFD.
 */

const QUOTE = 0x27;
const X = 0x58;
const REPLACEMENT = '\uFFFD';
/** The minus sign, counted from the digit 0. */
const MINUS = -3;

/** The rows of a page: their texts, joined, and the length of each; 0 for one without a text. */
export interface Contents {
	sql: Uint8Array;
	lengths: number[];
}

/** Bytes of the joined texts of rows. */
export function joinedBytes(lengths: number[]): number {
	let bytes = ROW_SEPARATOR.length * (lengths.length - 1);
	for (const length of lengths) bytes += length;
	return bytes;
}

/**
 * The bytes that SQLite printed, or null if they may have been others than those that arrived.
 * `replacements` is how often it printed U+FFFD, if it was asked to count: as each invalid byte is one
 * more, the same number means that all bytes were valid.
 */
export function carriedBytes(
	text: string,
	bytes: number,
	replacements: number | null,
): Uint8Array | null {
	const sql = new Uint8Array(bytes);
	const { read, written } = new TextEncoder().encodeInto(text, sql);
	if (read !== text.length || written !== bytes) return null;
	return countReplacements(text) === (replacements ?? 0) ? sql : null;
}

/** Whether a text has U+FFFD, which may stand for invalid UTF-8. */
export function hasReplacement(text: string): boolean {
	return text.includes(REPLACEMENT);
}

/** Numbers joined by commas. `split` would make a string of each. */
export function numbersIn(text: string): number[] {
	const numbers: number[] = [];
	let number = 0;
	let sign = 1;
	for (let at = 0; at <= text.length; at++) {
		const digit = text.charCodeAt(at) - 0x30;
		if (digit >= 0 && digit <= 9) {
			number = 10 * number + digit;
		} else if (digit === MINUS) {
			sign = -1;
		} else {
			numbers.push(sign * number);
			number = 0;
			sign = 1;
		}
	}
	return numbers;
}

/**
 * The rows as the file has them, given those that SQLite printed, whose separators are overwritten.
 * Rows that some tool or JSON would change are written in hexadecimal; a row that is then longer than
 * `maxRowBytes` has no text. What is written depends on the row alone, so that the digest does too.
 */
export function contentsOf(
	{ sql, lengths }: Contents,
	{ text, maxRowBytes }: { text: string; maxRowBytes: number },
): Contents {
	if (isRewritten(text) || hasReplacement(text)) {
		return joined(rowsOf({ sql, lengths }).map((row) => written(row, maxRowBytes)));
	}
	for (let index = 1, at = 0; index < lengths.length; index++) {
		at += lengths[index - 1] ?? 0;
		sql[at++] = COMMA;
		sql[at++] = LINE_END;
	}
	return { sql, lengths };
}

/** Rows with texts from `start` to before `end`, or one row without a text. */
export interface Run {
	start: number;
	end: number;
	rows: Rows | null;
}

/** The runs of a page, from one of its rows on. */
export function* runsOf({ sql, lengths }: Contents, from = 0): Generator<Run, void, void> {
	let start = from;
	let runStart = 0; // in the page's bytes
	let ends: number[] = [];
	let at = 0;
	const run = (end: number): Run => {
		const rows: Rows = {
			kind: 'rows',
			sql: sql.subarray(runStart, runStart + (ends.at(-1) ?? 0)),
			ends,
		};
		return { start, end, rows };
	};
	for (let index = 0; index < lengths.length; index++) {
		const length = lengths[index] ?? 0;
		if (index >= from && length > 0) {
			if (ends.length === 0) runStart = at;
			ends.push(at + length - runStart);
		} else if (index >= from) {
			if (ends.length > 0) yield run(index);
			yield { start: index, end: index + 1, rows: null };
			start = index + 1;
			ends = [];
		}
		at += length + SEPARATOR.length;
	}
	if (ends.length > 0) yield run(lengths.length);
}

const SEPARATOR = Buffer.from(ROW_SEPARATOR);
const [COMMA = 0, LINE_END = 0] = SEPARATOR;
const NO_TEXT = new Uint8Array();
const DECODER = new TextDecoder('utf-8', { ignoreBOM: true });
const DIGITS = Buffer.from('0123456789ABCDEF');
const BEFORE_DIGITS = Buffer.from("CAST(X'");
const AFTER_DIGITS = Buffer.from("' AS TEXT)");
/** An empty text has two quotes, and 17 bytes in hexadecimal. */
const GROWTH_PER_QUOTE = 8;

function rowsOf({ sql, lengths }: Contents): Uint8Array[] {
	let start = 0;
	return lengths.map((length) => {
		const row = sql.subarray(start, start + length);
		start += length + SEPARATOR.length;
		return row;
	});
}

function joined(rows: Uint8Array[]): Contents {
	const parts = rows.flatMap((row, index) => (index > 0 ? [SEPARATOR, row] : [row]));
	return { sql: Buffer.concat(parts), lengths: rows.map(({ length }) => length) };
}

function written(row: Uint8Array, maxRowBytes: number): Uint8Array {
	const exact = rewritten(row);
	return exact.length <= maxRowBytes ? exact : NO_TEXT;
}

function countReplacements(text: string): number {
	let count = 0;
	for (let at = text.indexOf(REPLACEMENT); at !== -1; at = text.indexOf(REPLACEMENT, at + 1)) {
		count++;
	}
	return count;
}

/**
 * A row as the exact form prints it, or with all text in hexadecimal if that is still not valid UTF-8
 * without U+FFFD.
 */
function rewritten(sql: Uint8Array): Uint8Array {
	const text = textOf(sql);
	const exact = isRewritten(text) ? inHexadecimal(sql, (part) => isRewritten(textOf(part))) : sql;
	const isReadable = !hasReplacement(exact === sql ? text : textOf(exact));
	return isReadable ? exact : inHexadecimal(exact, () => true);
}

function textOf(bytes: Uint8Array): string {
	return DECODER.decode(bytes);
}

/** A row with some of its texts in hexadecimal, as `hexLiteral` prints them. */
function inHexadecimal(sql: Uint8Array, isChosen: (text: Uint8Array) => boolean): Uint8Array {
	const out = new Uint8Array(2 * sql.length + GROWTH_PER_QUOTE * countQuotes(sql));
	let to = 0;
	const put = (bytes: Uint8Array) => {
		out.set(bytes, to);
		to += bytes.length;
	};
	let copied = 0;
	for (let at = sql.indexOf(QUOTE); at !== -1; at = sql.indexOf(QUOTE, at)) {
		const end = closingQuote(sql, at);
		if (sql[at - 1] !== X && isChosen(sql.subarray(at + 1, end))) {
			put(sql.subarray(copied, at));
			put(BEFORE_DIGITS);
			for (let from = at + 1; from < end; from++) {
				const byte = sql[from] ?? 0;
				out[to++] = DIGITS[byte >> 4] ?? 0;
				out[to++] = DIGITS[byte & 15] ?? 0;
				if (byte === QUOTE) from++; // it is there twice
			}
			put(AFTER_DIGITS);
			copied = end + 1;
		}
		at = end + 1;
	}
	put(sql.subarray(copied));
	return out.subarray(0, to);
}

/** The index of the quote that ends the literal whose first quote is at `start`. */
function closingQuote(sql: Uint8Array, start: number): number {
	let end = sql.indexOf(QUOTE, start + 1);
	while (sql[end + 1] === QUOTE) end = sql.indexOf(QUOTE, end + 2);
	return end;
}

function countQuotes(sql: Uint8Array): number {
	let count = 0;
	for (const byte of sql) {
		if (byte === QUOTE) count++;
	}
	return count;
}
