import { Buffer } from 'node:buffer';
import type { Row } from '../database.ts';
import {
	carriedBytes,
	type Contents,
	contentsOf,
	hasReplacement,
	joinedBytes,
	numbersIn,
	runsOf,
} from './arrival.ts';
import type { Rows } from './inserts.ts';
import { keyOfRow, only, type Position } from './keys.ts';
import { splitLiterals } from './literals.ts';
import { type LongRow, rowOf } from './long-rows.ts';
import { type Form, joinedPage, keylessBytes, type PageRequest, pageInSlices } from './queries.ts';
import { type Reader, SnapshotChanged } from './reader.ts';

/** A page of rows as it was read. */
export interface Page {
	parts: (Rows | LongRow)[];
	rows: number;
	/** Bytes of SQL; each long row counts as `maxRowBytes`. */
	bytes: number;
	/** Whether the table has no rows after this page. */
	last: boolean;
	next: Position;
	/** The form for the next page. */
	form: Form;
}

/** Reads a page with one query, rarely two or three. Throws what {@link Reader.batch} throws. */
export async function readPage(reader: Reader, request: PageRequest): Promise<Page> {
	const [result] = await reader.batch([joinedPage(request)]);
	return parsePage(reader, request, result?.results[0] ?? {});
}

/**
 * The page in the answer to {@link joinedPage}. Reads the page again if it cannot be written from what
 * has arrived. Throws what {@link Reader.batch} throws.
 */
export async function parsePage(reader: Reader, request: PageRequest, row: Row): Promise<Page> {
	const { position, maxRowBytes, form } = request;
	if (row['lengths'] === null || row['lengths'] === undefined) {
		return { parts: [], rows: 0, bytes: 0, last: true, next: position, form };
	}
	const lengths = numbersIn(String(row['lengths']));
	const text = String(row['text']);
	const again = (other: Form) => readPage(reader, { ...request, form: other });
	if (form !== 'exact' && hasLongRow(lengths, maxRowBytes)) return again('exact');
	if (form === 'quick' && hasReplacement(text)) return again('counted');
	const sql =
		carriedBytes(text, joinedBytes(lengths), Number(row['replacements'] ?? 0)) ??
		(await readBytes(reader, request, joinedBytes(lengths)));
	const contents = contentsOf({ sql, lengths }, { text, maxRowBytes });
	if (form !== 'exact' && contents.lengths.includes(0)) return again('exact');
	const keys = keysOf(request, lengths, row['keys'] ?? null);
	const last = row['last'] === null ? null : String(row['last']);
	const isCounted = form === 'counted' || hasReplacement(text);
	const next = contents.lengths.includes(0) ? 'exact' : isCounted ? 'counted' : 'quick';
	return { ...assemble(request, { ...contents, keys, last }), form: next };
}

/** Reads the bytes that SQLite printed, in hexadecimal. */
async function readBytes(reader: Reader, request: PageRequest, bytes: number): Promise<Uint8Array> {
	const [result] = await reader.batch([pageInSlices(request, bytes)]);
	const rows = result?.results ?? [];
	const slices = rows.toSorted((a, b) => Number(a['start']) - Number(b['start']));
	const sql = Buffer.concat(slices.map(({ slice }) => Buffer.from(String(slice), 'hex')));
	if (sql.length !== bytes) throw new SnapshotChanged();
	return sql;
}

function hasLongRow(lengths: number[], maxRowBytes: number): boolean {
	for (const length of lengths) {
		if (length === 0 || length > maxRowBytes) return true;
	}
	return false;
}

/** The keys of rows that are or may become too long, by their numbers in the page. */
function keysOf(
	request: PageRequest,
	lengths: number[],
	joined: string | number | null,
): Map<number, string> {
	const keys = new Map<number, string>();
	if (joined === null) return keys;
	const left = String(joined).split(';');
	const keyless = keylessBytes(request);
	for (const [index, length] of lengths.entries()) {
		if (length === 0 || length > keyless) keys.set(index, left.shift() ?? '');
	}
	return keys;
}

interface PageContents extends Contents {
	/** Keys of rows, by their numbers; those without a text have one. */
	keys: Map<number, string>;
	/** Key of the last row; null if it has to be taken from the row's own text. */
	last: string | null;
}

function assemble(request: PageRequest, contents: PageContents): Omit<Page, 'form'> {
	const { position, limit, maxRowBytes } = request;
	const { sql, lengths } = contents;
	const longRows = lengths.filter((length) => length === 0).length;
	return {
		parts: [...runsOf(contents)].map(
			({ start, rows }) => rows ?? longRow(request, contents, start),
		),
		rows: lengths.length,
		bytes: sql.length + longRows * maxRowBytes,
		last: lengths.length < limit,
		next: { key: lastKeyOf(request, contents), offset: position.offset + lengths.length },
	};
}

function longRow({ table, position }: PageRequest, { keys }: PageContents, index: number): LongRow {
	const row = { key: keys.get(index) || null, offset: position.offset + index };
	const next = { key: row.key, offset: row.offset + 1 };
	return { kind: 'long', source: rowOf(table, only(table.key, row)), next };
}

/** The key of the last row; null if there is none or it is too long. */
function lastKeyOf(
	{ table }: PageRequest,
	{ sql, lengths, keys, last }: PageContents,
): string | null {
	if (last !== null) return last || null;
	const length = lengths.at(-1) ?? 0;
	if (length === 0) return keys.get(lengths.length - 1) || null;
	const row = new TextDecoder().decode(sql.subarray(sql.length - length));
	return keyOfRow(table, splitLiterals(row)) || null;
}
