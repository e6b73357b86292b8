import { MAX_VALUE_BYTES } from '../limits.ts';
import type { Rows } from './inserts.ts';
import type { Position } from './keys.ts';
import type { LongRow } from './long-rows.ts';
import { type Page, readPage } from './pages.ts';
import type { Form } from './queries.ts';
import { type Reader, ResultTooLarge } from './reader.ts';
import type { Table } from './schema.ts';

/**
 * Bytes of SQL that a page aims at: its rows may be a third longer than those of the page before.
 */
const PAGE_BYTES = 0.75 * MAX_VALUE_BYTES;
/** Rows of a table's first page, when the width of a row is not known yet. */
const FIRST_PAGE_ROWS = 256;
/** A page may have this many times the rows of the page before. */
const PAGE_GROWTH = 16;
/** Rows of the largest page, which has to be read well within MAX_QUERY_SECONDS. */
const MAX_PAGE_ROWS = 20_000;

/** Where reading a table continues, and how its last page was read. */
export interface Place {
	position: Position;
	limit: number;
	form: Form;
}

/** Where reading a table starts. */
export const START: Place = {
	position: { key: null, offset: 0 },
	limit: FIRST_PAGE_ROWS,
	form: 'quick',
};

export interface WalkOptions {
	/** Bytes of a row's literals above which the row is returned as a {@link LongRow}. */
	maxRowBytes: number;
	from: Place;
	/** The first pages, if they have been read already. */
	first?: Page[] | undefined;
	/** Called between pages and after each long row: whether to stop there. */
	mustPause(): boolean;
}

/**
 * Reads the rows of a table in key order, page by page and each row once, as literals that SQLite
 * itself prints. The next page is read while the caller uses the last one. Returns null after the
 * last row, or the place where `mustPause` stopped it.
 *
 * Throws what {@link Reader.batch} throws.
 */
export async function* readRows(
	reader: Reader,
	table: Table,
	{ maxRowBytes, from, first = [], mustPause }: WalkOptions,
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
	const pages = [...first];
	let page = pages.shift() ?? (await read(from.position));
	for (;;) {
		form = page.form;
		limit = nextLimit(limit, page);
		const isLast = page.last && pages.length === 0;
		const ready = pages.shift();
		const mustStop = !ready && (isLast || mustPause());
		const next = ready || mustStop ? null : read(page.next);
		next?.catch(() => {}); // awaited below, unless the caller stops first
		for (const part of page.parts) {
			yield part;
			if (part.kind === 'long' && mustPause()) return { position: part.next, limit, form };
		}
		if (isLast) return null;
		const following = ready ?? (await next);
		if (following === null) return { position: page.next, limit, form };
		page = following;
	}
}

function nextLimit(limit: number, page: Page): number {
	const fitting = Math.floor((PAGE_BYTES * page.rows) / Math.max(page.bytes, page.rows));
	return Math.max(1, Math.min(fitting, limit * PAGE_GROWTH, MAX_PAGE_ROWS));
}
