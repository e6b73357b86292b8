import { SCRATCH } from '../format/pieces.ts';
import { printTrailer } from '../format/trailer.ts';
import { foldCase, quoteName } from '../sql.ts';
import type { SliceSizes } from './bounds.ts';
import { readCatalog } from './catalog.ts';
import type { Checkpoint, StartedTable } from './checkpoint.ts';
import { definitions, endings, preamble, unusedName, virtualTables } from './definitions.ts';
import { inspect, inspected, type Inspection, NeedsStage, type TermsChoice } from './inspect.ts';
import { encode, maxRowBytes } from './inserts.ts';
import type { Page } from './pages.ts';
import { type Reader, SnapshotChanged } from './reader.ts';
import type { Catalog, Table } from './schema.ts';
import type { Stage } from './stage/make.ts';
import { readStaged, STAGE_START, type StagedPages } from './stage/read.ts';
import { ATOMIC_BYTES, readStart, type Start } from './start.ts';
import { queriesToEnd, requireFinished, requireUnchanged } from './unchanged.ts';
import { readRows, START } from './walk.ts';
import {
	type DumpedSlice,
	type DumpProgress,
	type TableRows,
	type TableSummary,
	type Writing,
	writeTable,
} from './write-table.ts';

export interface DumpOptions {
	/** Comment lines at the top of the file, without the leading `--`. */
	title: string[];
	onProgress?(progress: DumpProgress): void;
	/** Called between two chunks if a slice ends there; one without chunks since the last end is none. */
	onSliceEnd?(slice: DumpedSlice): void;
	/** How large slices are, if not as usual. */
	sliceSizes?: SliceSizes;
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
		onSliceEnd: options.onSliceEnd ?? (() => {}),
		sliceSizes: options.sliceSizes,
	};
	if (from === null) {
		yield encode(title.map((line) => `-- ${line}\n`).join(''));
		work.onSliceEnd(STATEMENTS);
		yield encode(preamble(catalog, work.scratch.name));
		yield encode(definitions(catalog, work.inspection, work.scratch.name));
		work.onSliceEnd(STATEMENTS);
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
	{ scratch, inspection, done, onSliceEnd }: Work,
	consistency: DumpSummary['consistency'],
): Generator<Uint8Array, DumpSummary, void> {
	if (scratch.created) yield encode(`DROP TABLE ${quoteName(scratch.name)};\n`);
	yield encode(endings(catalog, inspection));
	onSliceEnd(STATEMENTS);
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
	onSliceEnd(STATEMENTS);
	return summary;
}

/** The state of a step. */
interface Work extends Omit<Writing, 'place'> {
	/** Whether to stop now, if so many queries are needed besides those at the end. */
	mustPause(queries?: number): boolean;
	inspection: Inspection;
	/** Options of FTS5 tables; null once the virtual tables have been written. */
	fullTextOptions: string[] | null;
	/** Where the pages are; null if they are read from the database itself. */
	stage: StagedPages | null;
	/** Pages that have been read already. */
	firstPages: Map<Table, Page[]>;
	/** Tables that are complete. */
	done: TableSummary[];
}

/** A slice without rows. */
const STATEMENTS: DumpedSlice = { table: null, rows: 0 };

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
		const place = catalog.tables.indexOf(table);
		const end = yield* writeTable(reader, table, rows, { ...work, place, started });
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
	work.onSliceEnd(STATEMENTS);
	work.fullTextOptions = null;
}
