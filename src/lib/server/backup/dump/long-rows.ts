import { LifeboatError } from '../../errors.ts';
import type { RowDigest } from '../format/digest.ts';
import { joinedPieces } from '../format/pieces.ts';
import { MAX_WRITTEN_STATEMENT_BYTES } from '../limits.ts';
import { quoteName } from '../sql.ts';
import { encode, insertTarget } from './inserts.ts';
import type { Position } from './keys.ts';
import { hexLiteral, octets, splitLiterals } from './literals.ts';
import { unpivoted } from './queries.ts';
import { type Reader, SnapshotChanged } from './reader.ts';
import type { Table } from './schema.ts';

/**
 * Values of a long row up to this many bytes stay in its INSERT; longer ones are cut into pieces.
 */
const MAX_INLINE_OCTETS = 256;
/** Bytes of one piece of a value: in hexadecimal twice as many, which fits one statement. */
const PIECE_OCTETS = 40_000;
/**
 * Bytes of a value that one query reads, a whole number of pieces: twice as many in hexadecimal.
 */
const SLICE_OCTETS = 20 * PIECE_OCTETS;

/** A row that is too long for one statement, to be read with {@link readLongRow}. */
export interface LongRow {
	kind: 'long';
	source: RowSource;
	/** The position after it. */
	next: Position;
}

/** Where the values of a row are, as parts of queries. */
export interface RowSource {
	/** A WITH clause that has each value as column `v` of a row of `u`. */
	unpivoted: string;
	/** What follows the columns of a SELECT with that clause. */
	from: string;
	/** The value at this index among those that an INSERT names: a column, and what follows it. */
	value(index: number): { column: string; from: string };
}

/** The row of a table that a SELECT with this end finds, from WHERE on. */
export function rowOf(table: Table, address: string): RowSource {
	const from = `FROM ${quoteName(table.name)} AS s ${address}`;
	const names = table.rowid ? [table.rowid, ...table.columns] : table.columns;
	return {
		unpivoted: unpivoted(table),
		from,
		value: (index) => ({ column: quoteName(names[index] ?? ''), from }),
	};
}

/** A short value's literal, or the bytes of a long value in hexadecimal pieces. */
export type LongRowValue =
	string | { type: 'TEXT' | 'BLOB'; pieces(): AsyncGenerator<string, void, void> };

/** The table that holds the pieces of long values while a file is being restored. */
export interface Scratch {
	name: string;
	created: boolean;
}

/**
 * Reads a row that is too long for one statement. Its long values are read later, slice by slice.
 */
export async function readLongRow(reader: Reader, { source }: LongRow): Promise<LongRowValue[]> {
	const value = `iif(${octets('v')}<=${MAX_INLINE_OCTETS},${hexLiteral('v')},typeof(v)||':'||octet_length(v))`;
	const [result] = await reader.batch([
		`SELECT (${source.unpivoted} SELECT group_concat(${value}) FROM u) AS "values",` +
			`total_changes() AS changes ${source.from}`,
	]);
	const values = result?.results[0]?.['values'];
	if (typeof values !== 'string') throw new SnapshotChanged(); // the row is gone
	return splitLiterals(values).map((text, index) => {
		const [, type, octetCount] = /^(text|blob):(\d+)$/.exec(text) ?? [];
		if (type === undefined) return text;
		return {
			type: type === 'text' ? 'TEXT' : 'BLOB',
			pieces: () => readPieces(reader, source.value(index), Number(octetCount)),
		};
	});
}

async function* readPieces(
	reader: Reader,
	{ column, from }: ReturnType<RowSource['value']>,
	octetCount: number,
): AsyncGenerator<string, void, void> {
	for (let start = 0; start < octetCount; start += SLICE_OCTETS) {
		const [result] = await reader.batch([
			`SELECT hex(substr(CAST(${column} AS BLOB),${start + 1},${SLICE_OCTETS})) AS slice,total_changes() AS changes ${from}`,
		]);
		const slice = String(result?.results[0]?.['slice']);
		for (let at = 0; at < slice.length; at += 2 * PIECE_OCTETS) {
			yield slice.slice(at, at + 2 * PIECE_OCTETS);
		}
	}
}

/**
 * Writes a row that no single statement can hold. Its long values are first inserted in pieces,
 * which the row's own INSERT then joins: constraints see only the finished row, and no row is
 * updated or replaced, which would run ON DELETE actions. The digest gets the row as if it were
 * whole.
 *
 * Throws `row_too_long` (422) if the INSERT does not fit a statement even so.
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
		digest.append(value.type === 'TEXT' ? "CAST(X'" : "X'");
		for await (const piece of value.pieces()) {
			yield encode(`INSERT INTO ${pieces} VALUES (${++id},X'${piece}');\n`);
			digest.append(piece);
		}
		digest.append(value.type === 'TEXT' ? "' AS TEXT)" : "'");
		expressions.push(joinedPieces(pieces, value.type, first, id));
	}
	digest.append(')');
	yield joiningInsert(table, expressions, pieces);
}

function joiningInsert(table: Table, expressions: string[], pieces: string): Uint8Array {
	const statement = encode(
		`INSERT INTO ${insertTarget(table)} VALUES (${expressions.join(',')});\nDELETE FROM ${pieces};\n`,
	);
	if (expressions.length === 0 || statement.length > MAX_WRITTEN_STATEMENT_BYTES) {
		throw tooLong(table);
	}
	return statement;
}

function tooLong(table: Table): LifeboatError {
	return new LifeboatError(
		`A row of the table ${quoteName(table.name)} does not fit any statement.`,
		{
			code: 'row_too_long',
			status: 422,
			hint: 'The names of its columns alone are too long for a statement that D1 accepts; shorten them.',
		},
	);
}
