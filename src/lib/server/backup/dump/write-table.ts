import { RowDigest, type TableDigest } from '../format/digest.ts';
import { SEQUENCE } from '../sql.ts';
import type { SliceSizes } from './bounds.ts';
import type { StartedTable } from './checkpoint.ts';
import { encode, InsertWriter, type Rows } from './inserts.ts';
import { type LongRow, readLongRow, type Scratch, writeLongRow } from './long-rows.ts';
import type { Reader } from './reader.ts';
import { SEQUENCE_TABLE, type Table } from './schema.ts';

/** How far a table has come. */
export interface DumpProgress {
	table: string;
	/** Rows of this table so far. */
	rows: number;
	/** Bytes of SQL of this table so far. */
	bytes: number;
}

/** What a slice has: rows of the table at this place in the catalog, or other statements if it is null. */
export interface DumpedSlice {
	table: number | null;
	rows: number;
}

/** A table as it was dumped, with the bytes of its rows. */
export interface TableSummary extends TableDigest {
	bytes: number;
}

/** Rows of a table, and at the end the place where reading stopped, or null. */
export type TableRows = AsyncGenerator<Rows | LongRow, StartedTable['place'] | null, void>;

/** What writing a table works with. */
export interface Writing {
	/** The table's place in the catalog. */
	place: number;
	/** What the step before has written of it; null if nothing. */
	started: StartedTable | null;
	scratch: Scratch;
	onProgress: ((progress: DumpProgress) => void) | undefined;
	onSliceEnd(slice: DumpedSlice): void;
	sliceSizes?: SliceSizes | undefined;
}

/**
 * Writes a table's INSERT statements, each as full as possible, until its rows end or stop. A slice ends
 * where {@link InsertWriter} says, and before and after each long row. Throws what {@link readLongRow}
 * and {@link writeLongRow} throw.
 */
export async function* writeTable(
	reader: Reader,
	table: Table,
	parts: TableRows,
	{ place, started, scratch, onProgress, onSliceEnd, sliceSizes: sizes }: Writing,
): AsyncGenerator<Uint8Array, TableSummary | StartedTable, void> {
	if (table === SEQUENCE_TABLE && started === null) yield encode(`DELETE FROM ${SEQUENCE};\n`);
	const endSlice = (rows: number) => onSliceEnd({ table: place, rows });
	const slicing = { sizes, onSliceEnd: endSlice };
	const inserts = new InsertWriter(table, started?.open ?? null, slicing);
	const digest = started ? RowDigest.from(started.digest) : new RowDigest();
	let part = await parts.next();
	while (!part.done) {
		if (part.value.kind === 'rows') {
			digest.add(part.value.sql, part.value.ends.length);
			yield* inserts.add(part.value);
		} else {
			yield* inserts.end();
			const values = await readLongRow(reader, part.value);
			yield* writeLongRow(table, values, digest, scratch);
			endSlice(1);
		}
		onProgress?.({ table: table.name, rows: digest.rows, bytes: digest.bytes });
		part = await parts.next();
	}
	if (part.value !== null) {
		const end = { digest: digest.save(), open: inserts.open() };
		return { name: table.name, place: part.value, ...end };
	}
	yield* inserts.end();
	return { name: table.name, rows: digest.rows, bytes: digest.bytes, sha256: digest.hex() };
}
