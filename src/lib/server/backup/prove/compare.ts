import { LifeboatError } from '../../errors.ts';
import type { Sleep } from '../../retry.ts';
import { type SqlDatabase, unfenced } from '../database.ts';
import { readCatalog } from '../dump/catalog.ts';
import { maxRowBytes } from '../dump/inserts.ts';
import { ALL_TERMS } from '../dump/inspect.ts';
import { readLongRow, writeLongRow } from '../dump/long-rows.ts';
import { Reader, SnapshotChanged } from '../dump/reader.ts';
import type { Table } from '../dump/schema.ts';
import { readRows, START } from '../dump/walk.ts';
import { writeWhole } from '../dump/whole.ts';
import {
	compareCores,
	compareTables,
	type Core,
	RowDigest,
	type TableDigest,
} from '../format/digest.ts';
import { shorten } from '../format/proof.ts';
import { foldCase } from '../sql.ts';

type OnProgress = (bytes: number) => void;

/**
 * What a backup of this database would say about it. FTS5 tables of which a backup reads the terms are
 * read if `expected` says that it did. `onProgress` gets the bytes of SQL so far.
 */
export async function readCore(
	database: SqlDatabase,
	sleep: Sleep,
	expected: Core,
	onProgress: OnProgress = () => {},
): Promise<Core> {
	const mayRead = (table: string) => expected.tables.some(({ name }) => name === table);
	const terms = { ...ALL_TERMS, mayRead };
	const script = writeWhole(database, { title: [], sleep, terms });
	let bytes = 0;
	let step = await script.next();
	while (!step.done) {
		bytes += step.value.length;
		onProgress(bytes);
		step = await script.next();
	}
	const { schema, tables, searches } = step.value;
	const indexes = searches.map(({ name, indexed }) => ({ name, rows: indexed }));
	return { schema, tables, searches: indexes };
}

/**
 * Compares a whole restored database with what its backup says. Throws `restore_differs` (422) with
 * the differences, also if the database was written to meanwhile.
 */
export async function requireSame(
	database: SqlDatabase,
	expected: Core,
	sleep: Sleep,
	onProgress?: OnProgress,
): Promise<void> {
	try {
		requireNone(compareCores(expected, await readCore(database, sleep, expected, onProgress)));
	} catch (error) {
		if (!(error instanceof SnapshotChanged)) throw error;
		throw differs(['The database was written to while it was compared.']);
	}
}

/** A table of a backup, and where its rows are in a database. */
export interface RestoredRows {
	/** The table's name in the backup. */
	table: string;
	/** The table that holds the rows. */
	name: string;
	/** The columns in the backup, in its order; the rowid may be the first. Left out: all. */
	columns?: string[] | undefined;
}

/**
 * Compares restored rows with what the backup says about them, except those of full-text tables
 * without rows of their own. Other tables may be written to meanwhile. Throws `restore_differs` (422) with the differences.
 */
export async function requireSameRows(
	database: SqlDatabase,
	expected: TableDigest[],
	restored: RestoredRows[],
	sleep: Sleep,
	onProgress: OnProgress = () => {},
): Promise<void> {
	const reader = new Reader(unfenced(database), sleep);
	const { tables, fullText } = await readCatalog(reader.batch);
	const isReadable = ({ name }: TableDigest) =>
		tables.some((table) => table.name === name) || fullText.every((table) => table.name !== name);
	const actual: TableDigest[] = [];
	let before = 0;
	for (const { table: name, ...rows } of restored) {
		const found = tables.find((table) => foldCase(table.name) === foldCase(rows.name));
		if (!found) continue;
		const digest = await digestRows(reader, withColumns(found, rows.columns), (bytes) =>
			onProgress(before + bytes),
		);
		before += digest.bytes;
		actual.push({ name, rows: digest.rows, sha256: digest.hex() });
	}
	requireNone(compareTables(expected.filter(isReadable), actual));
}

/** The digest of a table's rows, as in a backup. */
async function digestRows(
	reader: Reader,
	table: Table,
	onProgress: OnProgress,
): Promise<RowDigest> {
	const digest = new RowDigest();
	const rows = readRows(reader, table, {
		maxRowBytes: maxRowBytes(table),
		from: START,
		mustPause: () => false,
	});
	for await (const part of rows) {
		if (part.kind === 'rows') {
			digest.add(part.sql, part.ends.length);
		} else {
			const values = await readLongRow(reader, part);
			const statements = writeLongRow(table, values, digest, { name: '', created: true });
			while (!(await statements.next()).done); // writing a row adds it to the digest
		}
		onProgress(digest.bytes);
	}
	return digest;
}

/** The table as if it had only these columns. */
function withColumns(table: Table, columns: string[] | undefined): Table {
	if (columns === undefined) return table;
	const [first, ...others] = columns;
	if (first !== undefined && first === table.rowid) return { ...table, columns: others };
	return { ...table, rowid: null, columns };
}

function requireNone(differences: string[]): void {
	if (differences.length > 0) throw differs(differences);
}

function differs(differences: string[]): LifeboatError {
	return new LifeboatError(
		`The restored contents differ from the backup: ${shorten(differences).join(' ')}`,
		{
			code: 'restore_differs',
			status: 422,
			hint: 'Restore again while nothing writes to the database, or into another database.',
		},
	);
}
