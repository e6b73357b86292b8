import * as v from 'valibot';
import { RowDigest, type TableDigest } from '../digest.ts';
import { type Catalog, readCatalog, SEQUENCE, type Table } from './catalog.ts';
import { quoteName, sum } from './literals.ts';
import { definitions, endings, preamble, readFullTextOptions } from './definitions.ts';
import { type Page, readFirstPages, readLongRow, readRows, START } from './pages.ts';
import { type Reader, ResultTooLarge, SnapshotChanged } from './reader.ts';
import { maxRowBytes, type Scratch, Statements, writeLongRow } from './rows.ts';

/** A database up to this size is tried in one batch: its literals may take a few times as much. */
const SMALL_DATABASE_BYTES = 1_000_000;
/** Tables up to which one batch reads them all: each is a statement of up to 100,000 bytes. */
const SMALL_DATABASE_TABLES = 100;

/** Tables that one statement asks for rows: it may have 100,000 bytes (D1 > Platform > Limits). */
const TABLES_PER_STATEMENT = 200;

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

const Count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

/** A table of which a part is done. */
const StartedTableSchema = v.object({
	place: v.object({
		position: v.object({ key: v.nullable(v.string()), offset: Count }),
		limit: Count,
		form: v.picklist(['quick', 'exact']),
	}),
	digest: v.object({ rows: Count, bytes: Count, chain: v.string(), rest: v.string() }),
	open: v.nullable(v.object({ sql: v.string(), rows: Count })),
});
type StartedTable = v.InferOutput<typeof StartedTableSchema>;

/** Where a dump was laid aside: all that it takes to go on, as JSON can hold it. */
export const CheckpointSchema = v.object({
	/** SHA-256 of the schema that the dump has begun with. */
	schema: v.string(),
	/** Whether the file has made the table for pieces of long values. */
	scratch: v.boolean(),
	/** Tables that are done. */
	tables: v.array(v.object({ name: v.string(), rows: Count, bytes: Count, sha256: v.string() })),
	/** The next table, where a part of it is done. */
	current: v.nullable(StartedTableSchema),
});
export type Checkpoint = v.InferOutput<typeof CheckpointSchema>;

/** What a dump that may be laid aside is told from outside. */
export interface StepOptions extends DumpOptions {
	/** Where the step before ended; null at the start. */
	from: Checkpoint | null;
	/** Whether to stop now, given the queries that are still needed to end the dump. */
	mustPause(queriesToEnd: number): boolean;
}

/** How a step ends: with the whole dump, or with the place where the next step goes on. */
export type StepEnd = { summary: DumpSummary } | { checkpoint: Checkpoint };

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
	options: DumpOptions,
): AsyncGenerator<Uint8Array, DumpSummary, void> {
	const end = yield* writeStep(reader, { ...options, from: null, mustPause: () => false });
	if ('summary' in end) return end.summary;
	throw new Error('The dump was laid aside, and nobody had asked for that.');
}

/**
 * Writes the file as {@link writeScript} does, but may stop between two statements: what the steps
 * write, joined, is the same file. A step reads at least one page.
 */
export async function* writeStep(
	reader: Reader,
	{ title, onProgress, from, mustPause }: StepOptions,
): AsyncGenerator<Uint8Array, StepEnd, void> {
	const catalog = await readCatalog(reader.batch);
	if (from !== null && from.schema !== catalog.sha256) throw new SnapshotChanged();
	const queriesToEnd = reader.cost.queries + 1; // the schema is read once more, and whether rows are left
	const scratch: Scratch = {
		name: unusedName('lifeboat_scratch', catalog),
		created: from?.scratch ?? false,
	};
	const tables = catalog.tables.map((table) => ({ table, maxRowBytes: maxRowBytes(table) }));
	const summaries: TableSummary[] = [...(from?.tables ?? [])];
	let firstPages: Page[] | null = null;
	if (from === null) {
		const options = await readFullTextOptions(reader, catalog);
		const fits = !mustPause(queriesToEnd + tables.length);
		firstPages = fits ? await trySmallDatabase(reader, tables) : null;
		yield encode(preamble(catalog, title, scratch.name));
		yield encode(definitions(catalog, options, scratch.name));
	}
	const queries = reader.cost.queries;

	let hasRead = false; // nothing is laid aside before something was done
	const checkpoint = (current: StartedTable | null): StepEnd => ({
		checkpoint: { schema: catalog.sha256, scratch: scratch.created, tables: summaries, current },
	});
	let started = from?.current ?? null;
	for (const { table, maxRowBytes: limit } of tables.slice(summaries.length)) {
		const first = firstPages?.[summaries.length];
		if (!first && hasRead && mustPause(queriesToEnd)) return checkpoint(null);
		const rows = readRows(reader, table, {
			maxRowBytes: limit,
			from: started?.place ?? START,
			first,
			mustPause: () => mustPause(queriesToEnd),
		});
		const end = yield* writeTable(reader, table, rows, { started, scratch, onProgress });
		if ('place' in end) return checkpoint(end);
		hasRead = true;
		started = null;
		summaries.push(end);
	}
	const consistency = firstPages && reader.cost.queries === queries ? 'atomic' : 'fenced';

	if (scratch.created) yield encode(`DROP TABLE ${quoteName(scratch.name)};\n`);
	yield encode(endings(catalog));

	const again = await readCatalog(reader.batch);
	if (again.sha256 !== catalog.sha256) throw new SnapshotChanged();
	if (consistency === 'fenced') await requireRows(reader, summaries);

	const summary: DumpSummary = {
		consistency,
		schema: { objects: catalog.objects.length, sha256: catalog.sha256 },
		tables: summaries,
		warnings: catalog.warnings,
	};
	yield encode(trailer(summary));
	return { summary };
}

/**
 * Dropping a table and making the very same one anew changes neither the schema nor the count of
 * changes (SQLite: total_changes()), but leaves it without rows; each new row would count.
 */
async function requireRows(reader: Reader, tables: TableSummary[]): Promise<void> {
	const filled = tables.filter(({ rows }) => rows > 0);
	const statements: string[] = [];
	for (let at = 0; at < filled.length; at += TABLES_PER_STATEMENT) {
		const some = filled.slice(at, at + TABLES_PER_STATEMENT);
		const exist = some.map(({ name }) => `EXISTS(SELECT 1 FROM ${quoteName(name)})`);
		statements.push(`SELECT ${sum(exist)} AS n,total_changes() AS changes`);
	}
	const results = statements.length > 0 ? await reader.batch(statements) : [];
	const found = results.reduce((total, { results: rows }) => total + Number(rows[0]?.['n']), 0);
	if (found !== filled.length) throw new SnapshotChanged();
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

interface TableOptions {
	started: StartedTable | null;
	scratch: Scratch;
	onProgress: DumpOptions['onProgress'];
}

/** Writes a table's INSERT statements, each as full as it may be, up to where its rows stop. */
async function* writeTable(
	reader: Reader,
	table: Table,
	parts: ReturnType<typeof readRows>,
	{ started, scratch, onProgress }: TableOptions,
): AsyncGenerator<Uint8Array, TableSummary | StartedTable, void> {
	if (table === SEQUENCE && started === null) yield encode('DELETE FROM sqlite_sequence;\n');
	const statements = new Statements(table, started?.open);
	const digest = started ? RowDigest.from(started.digest) : new RowDigest();
	let part = await parts.next();
	while (!part.done) {
		if (part.value.kind === 'rows') {
			digest.add(part.value.sql, part.value.ends.length);
			yield* statements.add(part.value);
		} else {
			yield* statements.end();
			const values = await readLongRow(reader, table, part.value);
			yield* writeLongRow(table, values, digest, scratch);
		}
		onProgress?.({ table: table.name, rows: digest.rows, bytes: digest.bytes });
		part = await parts.next();
	}
	if (part.value !== null) {
		return { place: part.value, digest: digest.save(), open: statements.open() };
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
