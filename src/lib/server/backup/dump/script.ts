import { RowDigest, type TableDigest } from '../format/digest.ts';
import { SCRATCH } from '../format/pieces.ts';
import { printTrailer } from '../format/trailer.ts';
import { foldCase, quoteName, SEQUENCE } from '../sql.ts';
import { readCatalog } from './catalog.ts';
import type { Checkpoint, StartedTable } from './checkpoint.ts';
import { definitions, endings, preamble, unusedName, virtualTables } from './definitions.ts';
import { inspect, inspected, type Inspection, NeedsStage, type TermsChoice } from './inspect.ts';
import { encode, InsertWriter, maxRowBytes, type Rows } from './inserts.ts';
import { type LongRow, readLongRow, type Scratch, writeLongRow } from './long-rows.ts';
import type { Page } from './pages.ts';
import { type Reader, SnapshotChanged } from './reader.ts';
import { type Catalog, SEQUENCE_TABLE, type Table } from './schema.ts';
import type { Stage } from './stage/make.ts';
import { readStaged, STAGE_START, type StagedPages } from './stage/read.ts';
import { ATOMIC_BYTES, readStart, type Start } from './start.ts';
import { queriesToEnd, requireFinished, requireUnchanged } from './unchanged.ts';
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
	 * between them; `staged`: one transaction has printed them, to be read afterwards.
	 */
	consistency: 'atomic' | 'fenced' | 'staged';
	schema: { objects: number; sha256: string };
	tables: TableSummary[];
	/** FTS5 tables whose index is known: how many rows it has, and how many after a restore. */
	searches: { name: string; rows: number; indexed: number }[];
	warnings: string[];
}

export interface StepOptions extends DumpOptions {
	/** Where the step before stopped; null at the start. */
	from: Checkpoint | null;
	/** At the start: the stage to read from, with a reader of it; null to read the database itself. */
	stage: Stage | null;
	/** Which FTS5 tables to read from a stage, if the database is at most so large. */
	terms: (TermsChoice & { maxBytes: number }) | null;
	/** Bytes of the largest database that is read in one batch. */
	atomicBytes: number;
	/** Whether to stop now, given the number of queries that the end of the dump still needs. */
	mustPause(queriesToEnd: number): boolean;
}

const WHOLE = { stage: null, terms: null, atomicBytes: ATOMIC_BYTES, mustPause: () => false };

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
	options: DumpOptions & Partial<Pick<StepOptions, 'stage' | 'terms' | 'atomicBytes'>>,
): AsyncGenerator<Uint8Array, DumpSummary, void> {
	const catalog = options.stage?.schema ?? (await readCatalog(reader.batch));
	const end = yield* write(reader, catalog, { ...WHOLE, ...options, from: null });
	if ('summary' in end) return end.summary;
	throw new Error('The dump stopped early, although it was not asked to.');
}

/**
 * Writes the file like {@link writeScript}, but may stop between two statements: the output of all
 * steps, joined, is the same file. A step reads at least one page.
 *
 * Before it writes, also throws `restore_unfinished` (409) and {@link NeedsStage}.
 */
export async function* writeStep(
	reader: Reader,
	options: StepOptions,
): AsyncGenerator<Uint8Array, StepEnd, void> {
	const { from, stage } = options;
	const catalog = stage?.schema ?? (await readCatalog(reader.batch));
	requireFinished(catalog);
	if (from !== null && from.schema !== catalog.identity) throw new SnapshotChanged();
	return yield* write(reader, catalog, options);
}

async function* write(
	reader: Reader,
	schema: Catalog,
	options: StepOptions,
): AsyncGenerator<Uint8Array, StepEnd, void> {
	const { title, from, mustPause } = options;
	const { catalog, ...begun } = await begin(reader, schema, options);
	const toEnd = begun.stage === null ? queriesToEnd(catalog) : 0;
	const work: Work = {
		...begun,
		mustPause: (queries = 0) => mustPause(toEnd + queries),
		scratch: { name: unusedName(SCRATCH, catalog), created: from?.scratch ?? false },
		done: [...(from?.tables ?? [])],
		started: from?.current ?? null,
		onProgress: options.onProgress,
	};
	if (from === null) {
		yield encode(preamble(catalog, title, work.scratch.name));
		yield encode(definitions(catalog, work.inspection, work.scratch.name));
	}
	const pause = yield* writeTables(reader, catalog, work);
	if (pause !== null) return { checkpoint: checkpoint(catalog, work, pause.current) };
	if (work.stage !== null) return { summary: yield* writeEnd(catalog, work, 'staged') };
	const isAtomic = begun.atomic === reader.cost.queries;
	if (!isAtomic) await requireUnchanged(reader, catalog, work.done);
	return { summary: yield* writeEnd(catalog, work, isAtomic ? 'atomic' : 'fenced') };
}

/** What a step knows before it writes: from the step before, from a stage, or from the database. */
async function begin(
	reader: Reader,
	schema: Catalog,
	{ from, stage, terms, atomicBytes, mustPause }: StepOptions,
): Promise<Start & Pick<Work, 'inspection' | 'stage'> & { catalog: Catalog }> {
	const known = from ?? stage;
	if (known !== null) {
		const { inspection, fullTextOptions } = known;
		const catalog = inspected(schema, inspection);
		const pages = from ? from.stage : stage && { owner: stage.owner, tables: stage.tables };
		const start = { fullTextOptions, firstPages: new Map<Table, Page[]>(), atomic: null };
		return { ...start, catalog, inspection, stage: pages };
	}
	const isSmall = terms !== null && reader.databaseBytes <= terms.maxBytes;
	const found = await inspect(reader, schema, isSmall ? terms : undefined);
	if (found.inspection.searches.some(({ fill }) => fill === 'terms')) throw new NeedsStage();
	const catalog = inspected(schema, found.inspection);
	const toEnd = queriesToEnd(catalog);
	const start = await readStart(reader, catalog, found, {
		atomicBytes,
		mustPause: (queries) => mustPause(toEnd + queries),
	});
	return { ...start, catalog, inspection: found.inspection, stage: null };
}

function checkpoint(
	{ identity }: Catalog,
	{ scratch, inspection, fullTextOptions, stage, done }: Work,
	current: StartedTable | null,
): Checkpoint {
	return {
		schema: identity,
		scratch: scratch.created,
		inspection,
		fullTextOptions,
		stage,
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

/** Rows of a table, and at the end the place where reading stopped, or null. */
type TableRows = AsyncGenerator<Rows | LongRow, StartedTable['place'] | null, void>;

/** The state of a step. */
interface Work {
	/** Whether to stop now, if so many queries are needed besides those at the end. */
	mustPause(queries?: number): boolean;
	scratch: Scratch;
	inspection: Inspection;
	/** Options of FTS5 tables; null once the virtual tables have been written. */
	fullTextOptions: string[] | null;
	/** Where the pages are; null if they are read from the database itself. */
	stage: StagedPages | null;
	/** Pages that have been read already. */
	firstPages: Map<Table, Page[]>;
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
		const rows = rowsOf(reader, catalog.tables, table, { ...work, started });
		const end = yield* writeTable(reader, table, rows, { ...work, started });
		if ('place' in end) return { current: end };
		hasRead = true;
		done.push(end);
	}
	yield* writeVirtualTables(catalog, work);
	return null;
}

/** The rows of a table from where the step before has stopped. */
function rowsOf(
	reader: Reader,
	tables: Table[],
	table: Table,
	{ stage, started, firstPages, mustPause }: Work,
): TableRows {
	const options = { maxRowBytes: maxRowBytes(table), mustPause };
	const place = started?.place;
	const staged = stage?.tables[tables.indexOf(table)];
	if (staged) {
		const from = place && 'page' in place ? place : STAGE_START;
		return readStaged(reader, staged, { ...options, from });
	}
	const from = place && 'form' in place ? place : START;
	return readRows(reader, table, { ...options, from, first: firstPages.get(table) });
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
	parts: TableRows,
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
			const values = await readLongRow(reader, part.value);
			yield* writeLongRow(table, values, digest, scratch);
		}
		onProgress?.({ table: table.name, rows: digest.rows, bytes: digest.bytes });
		part = await parts.next();
	}
	if (part.value !== null) {
		const place = part.value;
		return { name: table.name, place, digest: digest.save(), open: inserts.open() };
	}
	yield* inserts.end();
	return { name: table.name, rows: digest.rows, bytes: digest.bytes, sha256: digest.hex() };
}
