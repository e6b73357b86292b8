import { LifeboatError } from '../../errors.ts';
import { RowDigest, type TableDigest } from '../format/digest.ts';
import { SCRATCH } from '../format/pieces.ts';
import { printTrailer } from '../format/trailer.ts';
import { foldCase, quoteName, SEQUENCE } from '../sql.ts';
import { readCatalog } from './catalog.ts';
import type { Checkpoint, StartedTable } from './checkpoint.ts';
import { definitions, endings, preamble, virtualTables } from './definitions.ts';
import { inspect, inspected, type Inspection } from './inspect.ts';
import { encode, InsertWriter, maxRowBytes } from './inserts.ts';
import { readLongRow, type Scratch, writeLongRow } from './long-rows.ts';
import type { Page } from './pages.ts';
import { type Reader, SnapshotChanged } from './reader.ts';
import { type Catalog, SEQUENCE_TABLE, type Table } from './schema.ts';
import { readStart, type Start } from './start.ts';
import { queriesToEnd, requireUnchanged } from './unchanged.ts';
import { readRows, START } from './walk.ts';

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

/** What a dump found in the database. */
export interface DumpSummary {
	/**
	 * `atomic`: schema and rows were read in one transaction; `fenced`: in several, with no write
	 * between them.
	 */
	consistency: 'atomic' | 'fenced';
	schema: { objects: number; sha256: string };
	tables: TableSummary[];
	/** FTS5 tables whose index is known: how many rows it has, and how many after a restore. */
	searches: { name: string; rows: number; indexed: number }[];
	warnings: string[];
}

export interface StepOptions extends DumpOptions {
	/** Where the step before stopped; null at the start. */
	from: Checkpoint | null;
	/** Whether to stop now, given the number of queries that the end of the dump still needs. */
	mustPause(queriesToEnd: number): boolean;
}

/** How a step ends: with the whole dump, or with the place where the next step continues. */
export type StepEnd = { summary: DumpSummary } | { checkpoint: Checkpoint };

/**
 * Writes the database as an SQL file, chunk by chunk, and returns a summary.
 *
 * Every table comes before the first row, so that foreign keys find their parents' tables. A UNIQUE
 * index that a foreign key needs comes before the rows, the others after them. Triggers come after
 * the rows of their tables, so that none fires. Rows keep their order, and where a statement ends
 * depends on the rows alone: the file does not depend on how the pages were cut.
 *
 * Throws {@link SnapshotChanged} if the database was written to meanwhile, and what
 * {@link Reader.batch} throws.
 */
export async function* writeScript(
	reader: Reader,
	options: DumpOptions,
): AsyncGenerator<Uint8Array, DumpSummary, void> {
	const catalog = await readCatalog(reader.batch);
	const all: StepOptions = { ...options, from: null, mustPause: () => false };
	const end = yield* write(reader, catalog, all);
	if ('summary' in end) return end.summary;
	throw new Error('The dump stopped early, although it was not asked to.');
}

/**
 * Writes the file like {@link writeScript}, but may stop between two statements: the output of all
 * steps, joined, is the same file. A step reads at least one page.
 *
 * Also throws `restore_unfinished` (409) if a restore has filled only a part of the database.
 */
export async function* writeStep(
	reader: Reader,
	options: StepOptions,
): AsyncGenerator<Uint8Array, StepEnd, void> {
	const catalog = await readCatalog(reader.batch);
	if (catalog.unfinished !== null) throw unfinished(catalog.unfinished);
	if (options.from !== null && options.from.schema !== catalog.identity) {
		throw new SnapshotChanged();
	}
	return yield* write(reader, catalog, options);
}

async function* write(
	reader: Reader,
	schema: Catalog,
	options: StepOptions,
): AsyncGenerator<Uint8Array, StepEnd, void> {
	const { title, from, mustPause } = options;
	const found = from ? null : await inspect(reader, schema);
	const { inspection } = found ?? (from as Checkpoint);
	const catalog = inspected(schema, inspection);
	const toEnd = queriesToEnd(catalog);
	const work: Work = {
		mustPause: (queries = 0) => mustPause(toEnd + queries),
		scratch: { name: unusedName(SCRATCH, catalog), created: from?.scratch ?? false },
		inspection,
		fullTextOptions: from?.fullTextOptions ?? null,
		firstPages: new Map(),
		done: [...(from?.tables ?? [])],
		started: from?.current ?? null,
		onProgress: options.onProgress,
	};
	let start: Start | null = null;
	if (found !== null) {
		start = await readStart(reader, catalog, found, work.mustPause);
		work.firstPages = start.firstPages;
		work.fullTextOptions = start.fullTextOptions;
		yield encode(preamble(catalog, title, work.scratch.name));
		yield encode(definitions(catalog, inspection, work.scratch.name));
	}
	const pause = yield* writeTables(reader, catalog, work);
	if (pause !== null) return { checkpoint: checkpoint(catalog, work, pause.current) };
	const isAtomic = start?.atomic === reader.cost.queries;
	if (!isAtomic) await requireUnchanged(reader, catalog, work.done);
	return { summary: yield* writeEnd(catalog, work, isAtomic ? 'atomic' : 'fenced') };
}

function checkpoint(
	{ identity }: Catalog,
	{ scratch, inspection, fullTextOptions, done }: Work,
	current: StartedTable | null,
): Checkpoint {
	return {
		schema: identity,
		scratch: scratch.created,
		inspection,
		fullTextOptions,
		tables: done,
		current,
	};
}

/** Writes what comes after the rows. */
function* writeEnd(
	catalog: Catalog,
	{ scratch, inspection, done }: Work,
	consistency: DumpSummary['consistency'],
): Generator<Uint8Array, DumpSummary, void> {
	if (scratch.created) yield encode(`DROP TABLE ${quoteName(scratch.name)};\n`);
	yield encode(endings(catalog, inspection));
	const summary: DumpSummary = {
		consistency,
		schema: { objects: catalog.objects.length, sha256: catalog.sha256 },
		tables: done,
		searches: inspection.searches.flatMap(({ name, rows, indexed }) =>
			rows === null || indexed === null ? [] : { name, rows, indexed },
		),
		warnings: catalog.warnings,
	};
	yield encode(printTrailer(summary));
	return summary;
}

/** The state of a step. */
interface Work {
	/** Whether to stop now, if so many queries are needed besides those at the end. */
	mustPause(queries?: number): boolean;
	scratch: Scratch;
	inspection: Inspection;
	/** Options of FTS5 tables; null once the virtual tables have been written. */
	fullTextOptions: string[] | null;
	/** Pages that have been read already. */
	firstPages: Map<Table, Page>;
	/** Tables that are complete. */
	done: TableSummary[];
	/** The table of which the step before has written a part. */
	started: StartedTable | null;
	onProgress: DumpOptions['onProgress'];
}

/** Writes the rows of the remaining tables. Returns null, or where `mustPause` stopped it. */
async function* writeTables(
	reader: Reader,
	catalog: Catalog,
	work: Work,
): AsyncGenerator<Uint8Array, { current: StartedTable | null } | null, void> {
	const { done, firstPages, mustPause } = work;
	const names = new Set(done.map(({ name }) => name));
	let hasRead = false; // a step that reads nothing would never get anywhere
	for (const table of catalog.tables.filter(({ name }) => !names.has(name))) {
		const first = firstPages.get(table);
		if (!first && hasRead && mustPause()) return { current: null };
		if (!catalog.parents.has(foldCase(table.name))) yield* writeVirtualTables(catalog, work);
		const started = work.started?.name === table.name ? work.started : null;
		const rows = readRows(reader, table, {
			maxRowBytes: maxRowBytes(table),
			from: started?.place ?? START,
			first,
			mustPause,
		});
		const end = yield* writeTable(reader, table, rows, { ...work, started });
		if ('place' in end) return { current: end };
		hasRead = true;
		done.push(end);
	}
	yield* writeVirtualTables(catalog, work);
	return null;
}

/** Writes the definitions of virtual tables, unless the file has them already. */
function* writeVirtualTables(catalog: Catalog, work: Work): Generator<Uint8Array, void, void> {
	if (work.fullTextOptions === null) return;
	yield encode(virtualTables(catalog, work.inspection, work.fullTextOptions));
	work.fullTextOptions = null;
}

/** Writes a table's INSERT statements, each as full as possible, until its rows end or stop. */
async function* writeTable(
	reader: Reader,
	table: Table,
	parts: ReturnType<typeof readRows>,
	{ started, scratch, onProgress }: Work,
): AsyncGenerator<Uint8Array, TableSummary | StartedTable, void> {
	if (table === SEQUENCE_TABLE && started === null) yield encode(`DELETE FROM ${SEQUENCE};\n`);
	const inserts = new InsertWriter(table, started?.open);
	const digest = started ? RowDigest.from(started.digest) : new RowDigest();
	let part = await parts.next();
	while (!part.done) {
		if (part.value.kind === 'rows') {
			digest.add(part.value.sql, part.value.ends.length);
			yield* inserts.add(part.value);
		} else {
			yield* inserts.end();
			const values = await readLongRow(reader, table, part.value);
			yield* writeLongRow(table, values, digest, scratch);
		}
		onProgress?.({ table: table.name, rows: digest.rows, bytes: digest.bytes });
		part = await parts.next();
	}
	if (part.value !== null) {
		const { name } = table;
		return { name, place: part.value, digest: digest.save(), open: inserts.open() };
	}
	yield* inserts.end();
	return { name: table.name, rows: digest.rows, bytes: digest.bytes, sha256: digest.hex() };
}

function unusedName(name: string, { objects }: Catalog): string {
	const taken = new Set(objects.map((object) => foldCase(object.name)));
	let candidate = name;
	while (taken.has(candidate)) candidate += '_';
	return candidate;
}

function unfinished(name: string): LifeboatError {
	return new LifeboatError(
		`A restore into this database has not finished: it has an object named ${quoteName(name)}.`,
		{
			code: 'restore_unfinished',
			status: 409,
			hint: 'Nothing was stored. Run the restore again, with --replace if it was one of the whole backup. If no restore is running, rename or drop that object.',
		},
	);
}
