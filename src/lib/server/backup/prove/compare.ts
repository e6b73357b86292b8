import { LifeboatError } from '../../errors.ts';
import type { BatchResult, SqlDatabase } from '../database.ts';
import type { Sleep } from '../../retry.ts';
import {
	compareCores,
	compareTables,
	type Core,
	RowDigest,
	type TableDigest,
} from '../format/digest.ts';
import { readCatalog } from '../dump/catalog.ts';
import { maxRowBytes } from '../dump/inserts.ts';
import { readLongRow, writeLongRow } from '../dump/long-rows.ts';
import { Reader, SnapshotChanged } from '../dump/reader.ts';
import type { Table } from '../dump/schema.ts';
import { writeScript } from '../dump/script.ts';
import { readRows, START } from '../dump/walk.ts';
import { shorten } from '../format/proof.ts';
import { foldCase } from '../sql.ts';

type OnProgress = (bytes: number) => void;

/** What a backup of this database would say of it, with `onProgress` told the bytes of SQL so far. */
export async function readCore(
	database: SqlDatabase,
	sleep: Sleep,
	onProgress: OnProgress = () => {},
): Promise<Core> {
	const script = writeScript(new Reader(database, sleep), { title: [] });
	let bytes = 0;
	let step = await script.next();
	while (!step.done) {
		bytes += step.value.length;
		onProgress(bytes);
		step = await script.next();
	}
	return step.value;
}

/**
 * Compares all of a restored database with what its backup says. Throws `restore_differs` (422) with
 * what differs, also where somebody wrote to it meanwhile.
 */
export async function requireSame(
	database: SqlDatabase,
	expected: Core,
	sleep: Sleep,
	onProgress?: OnProgress,
): Promise<void> {
	try {
		requireNone(compareCores(expected, await readCore(database, sleep, onProgress)));
	} catch (error) {
		if (!(error instanceof SnapshotChanged)) throw error;
		throw differs(['Somebody wrote to the database while it was compared.']);
	}
}

/** Rows of a table of a backup, and where in a database they are. */
export interface RestoredRows {
	/** The table by its name in the backup. */
	table: string;
	/** The table that holds the rows. */
	name: string;
	/** The columns that the backup has, in its order; the rowid may be the first. Left out: all. */
	columns?: string[] | undefined;
}

/**
 * Compares restored rows with what the backup says of them. Other tables may be written to meanwhile.
 * Throws `restore_differs` (422) with what differs.
 */
export async function requireSameRows(
	database: SqlDatabase,
	expected: TableDigest[],
	restored: RestoredRows[],
	sleep: Sleep,
	onProgress: OnProgress = () => {},
): Promise<void> {
	const reader = new Reader(unfenced(database), sleep);
	const { tables } = await readCatalog(reader.batch);
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
	requireNone(compareTables(expected, actual));
}

/** The digest of a table's rows, as a backup would have it. */
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
			const values = await readLongRow(reader, table, part);
			const statements = writeLongRow(table, values, digest, { name: '', created: true });
			while (!(await statements.next()).done); // it digests what it writes
		}
		onProgress(digest.bytes);
	}
	return digest;
}

/** The table as if it had these columns alone. */
function withColumns(table: Table, columns: string[] | undefined): Table {
	if (columns === undefined) return table;
	const [first, ...others] = columns;
	if (first !== undefined && first === table.rowid) return { ...table, columns: others };
	return { ...table, rowid: null, columns };
}

/** Without what tells a reader of writes to other tables. */
function unfenced(database: SqlDatabase): SqlDatabase {
	return {
		async batch(statements): Promise<BatchResult> {
			const { results, ...more } = await database.batch(statements);
			const deaf = results.map(({ results: rows, meta }) => ({
				meta,
				results: rows.map((row) => ({ ...row, changes: null })),
			}));
			return { results: deaf, ...more };
		},
	};
}

function requireNone(differences: string[]): void {
	if (differences.length > 0) throw differs(differences);
}

function differs(differences: string[]): LifeboatError {
	return new LifeboatError(
		`What was restored is not what the backup says: ${shorten(differences).join(' ')}`,
		{
			code: 'restore_differs',
			status: 422,
			hint: 'Restore again when nobody writes to the database, or into another one.',
		},
	);
}
