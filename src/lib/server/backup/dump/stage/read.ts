import { Buffer } from 'node:buffer';
import { type BatchResult, type SqlDatabase, unfenced } from '../../database.ts';
import { STAGE, STAGE_VALUES } from '../../sql.ts';
import { OWNER } from '../../stage-tables.ts';
import {
	carriedBytes,
	type Contents,
	contentsOf,
	hasReplacement,
	joinedBytes,
	numbersIn,
	runsOf,
} from '../arrival.ts';
import type { Rows } from '../inserts.ts';
import type { LongRow, RowSource } from '../long-rows.ts';
import { replacements, SLICE_BYTES } from '../queries.ts';
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
	let isCounted = false;
	for (let page = from.page; page < table.pages; page++) {
		if (page > from.page && mustPause()) return { page, row: 0, copies };
		const seq = table.first + page;
		const read = await readPage(reader, { seq, maxRowBytes, isCounted });
		isCounted = read.isCounted;
		for (const { part, next } of partsOf(read, table.place, { row, copies })) {
			yield part;
			({ row, copies } = next);
			const isLast = row === read.contents.lengths.length;
			if (part.kind === 'long' && !isLast && mustPause()) return { page, row, copies };
		}
		row = 0;
	}
	return null;
}

/** A page to read. */
interface StagedRequest {
	seq: number;
	maxRowBytes: number;
	/** Whether to count U+FFFD, which costs a little time. */
	isCounted: boolean;
}

interface StagedPage {
	contents: Contents;
	/** For each row whether its values are staged. */
	isCopied: boolean[];
	/** Whether to count U+FFFD from here on. */
	isCounted: boolean;
}

async function readPage(reader: Reader, request: StagedRequest): Promise<StagedPage> {
	const { seq, maxRowBytes, isCounted } = request;
	const count = isCounted ? `,${replacements('page')} AS replacements` : '';
	const [result] = await reader.batch([`SELECT page${count} FROM ${STAGE} WHERE seq = ${seq}`]);
	const { page, replacements: counted = 0 } = result?.results[0] ?? {};
	if (typeof page !== 'string') return { contents: EMPTY, isCopied: [], isCounted }; // its rows were deleted before the stage was made
	if (!isCounted && hasReplacement(page)) return readPage(reader, { ...request, isCounted: true });
	const headEnd = page.indexOf('\n');
	const signed = numbersIn(page.slice(0, headEnd));
	const lengths = signed.map(Math.abs);
	if (lengths.some((length) => length > maxRowBytes)) throw new SnapshotChanged(); // grown since it was planned
	const text = page.slice(headEnd + 1);
	const sql =
		carriedBytes(text, joinedBytes(lengths), Number(counted)) ??
		(await readBytes(reader, seq)).subarray(headEnd + 1);
	const contents = contentsOf({ sql, lengths }, { text, maxRowBytes });
	return { contents, isCopied: signed.map((length) => length <= 0), isCounted };
}

const EMPTY: Contents = { sql: new Uint8Array(), lengths: [] };

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

/** The rows of a page from one of them on, as runs of rows and the long rows between them. */
function* partsOf(
	{ contents, isCopied }: StagedPage,
	place: number,
	from: Omit<StagedPlace, 'page'>,
): Generator<{ part: Rows | LongRow; next: Omit<StagedPlace, 'page'> }, void, void> {
	let { copies } = from;
	for (const { start, end, rows } of runsOf(contents, from.row)) {
		copies += isCopied.slice(start, end).filter(Boolean).length;
		const next = { row: end, copies };
		if (rows !== null) {
			yield { part: rows, next };
		} else {
			const position = { key: null, offset: end };
			yield { part: { kind: 'long', source: copyOf(place, copies), next: position }, next };
		}
	}
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
