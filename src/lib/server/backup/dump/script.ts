import { RowDigest, type TableDigest } from '../digest.ts';
import { type Catalog, readCatalog, SEQUENCE, type Table } from './catalog.ts';
import { quoteName } from './literals.ts';
import { definitions, endings, preamble, readFullTextOptions } from './definitions.ts';
import { type Page, readFirstPages, readLongRow, readRows } from './pages.ts';
import { type Reader, ResultTooLarge, SnapshotChanged } from './reader.ts';
import { maxRowBytes, type Scratch, Statements, writeLongRow } from './rows.ts';

/** A database up to this size is tried in one batch: its literals may take a few times as much. */
const SMALL_DATABASE_BYTES = 1_000_000;
/** Tables up to which one batch reads them all: each is a statement of up to 100,000 bytes. */
const SMALL_DATABASE_TABLES = 100;

/** What a dump is told from outside. */
export interface DumpOptions {
	/** Comment lines at the top of the file, without the leading `--`. */
	title: string[];
	onProgress?(progress: DumpProgress): void;
}

export interface DumpProgress {
	table: string;
	/** Rows of this table so far. */
	rows: number;
	/** Bytes of SQL of this table so far. */
	bytes: number;
}

/** A table as it was dumped, with the bytes of its rows. */
export interface TableSummary extends TableDigest {
	bytes: number;
}

/** What a dump has learned about the database. */
export interface DumpSummary {
	/** `atomic`: read in one transaction; `fenced`: read in several, with no write between them. */
	consistency: 'atomic' | 'fenced';
	schema: { objects: number; sha256: string };
	tables: TableSummary[];
	warnings: string[];
}

/**
 * Writes the database as an SQL file, chunk by chunk, and returns what it was.
 *
 * Every table stands before the first row, so that foreign keys find their parents' tables; a
 * UNIQUE index that a foreign key needs stands before the rows, the others behind them; triggers
 * come last, so that none fires. Rows keep their order, and statements end where the rows make
 * them end: neither depends on how the pages were cut.
 *
 * Throws {@link SnapshotChanged} when the database was written to meanwhile, and what
 * {@link Reader.batch} throws.
 */
export async function* writeScript(
	reader: Reader,
	{ title, onProgress }: DumpOptions,
): AsyncGenerator<Uint8Array, DumpSummary, void> {
	const catalog = await readCatalog(reader.batch);
	const options = await readFullTextOptions(reader, catalog);
	const tables = catalog.tables.map((table) => ({ table, maxRowBytes: maxRowBytes(table) }));
	const firstPages = await trySmallDatabase(reader, tables);
	const queries = reader.cost.queries;
	const scratch: Scratch = { name: unusedName('lifeboat_scratch', catalog), created: false };

	yield encode(preamble(catalog, title, scratch.name));
	yield encode(definitions(catalog, options, scratch.name));

	const summaries: TableSummary[] = [];
	for (const [index, { table, maxRowBytes: limit }] of tables.entries()) {
		if (table === SEQUENCE) yield encode('DELETE FROM sqlite_sequence;\n');
		const rows = readRows(reader, table, limit, firstPages?.[index]);
		summaries.push(yield* writeTable(reader, table, rows, scratch, onProgress));
	}
	const consistency = firstPages && reader.cost.queries === queries ? 'atomic' : 'fenced';

	if (scratch.created) yield encode(`DROP TABLE ${quoteName(scratch.name)};\n`);
	yield encode(endings(catalog));

	const again = await readCatalog(reader.batch);
	if (again.sha256 !== catalog.sha256) throw new SnapshotChanged();

	const summary: DumpSummary = {
		consistency,
		schema: { objects: catalog.objects.length, sha256: catalog.sha256 },
		tables: summaries,
		warnings: catalog.warnings,
	};
	yield encode(trailer(summary));
	return summary;
}

async function trySmallDatabase(
	reader: Reader,
	tables: { table: Table; maxRowBytes: number }[],
): Promise<Page[] | null> {
	if (reader.databaseBytes > SMALL_DATABASE_BYTES) return null;
	if (tables.length > SMALL_DATABASE_TABLES) return null;
	try {
		return await readFirstPages(reader, tables);
	} catch (error) {
		if (error instanceof ResultTooLarge) return null;
		throw error;
	}
}

/** Writes a table's INSERT statements, each as full as it may be. */
async function* writeTable(
	reader: Reader,
	table: Table,
	parts: ReturnType<typeof readRows>,
	scratch: Scratch,
	onProgress: DumpOptions['onProgress'],
): AsyncGenerator<Uint8Array, TableSummary, void> {
	const statements = new Statements(table);
	const digest = new RowDigest();
	for await (const part of parts) {
		if (part.kind === 'rows') {
			digest.add(part.sql, part.ends.length);
			yield* statements.add(part);
		} else {
			yield* statements.end();
			const values = await readLongRow(reader, table, part);
			yield* writeLongRow(table, values, digest, scratch);
		}
		onProgress?.({ table: table.name, rows: digest.rows, bytes: digest.bytes });
	}
	yield* statements.end();
	return { name: table.name, rows: digest.rows, bytes: digest.bytes, sha256: digest.hex() };
}

/** The manifest's core as the last line, so that a file alone can be checked. */
function trailer({ schema, tables }: DumpSummary): string {
	const core = {
		schema,
		tables: Object.fromEntries(tables.map(({ name, rows, sha256 }) => [name, { rows, sha256 }])),
	};
	return `-- lifeboat ${JSON.stringify(core)}\n`;
}

function unusedName(name: string, { objects }: Catalog): string {
	const taken = new Set(objects.map((object) => object.name.toLowerCase()));
	let candidate = name;
	while (taken.has(candidate)) candidate += '_';
	return candidate;
}

function encode(text: string): Uint8Array {
	return new TextEncoder().encode(text);
}
