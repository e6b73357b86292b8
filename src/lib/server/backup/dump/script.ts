import * as v from 'valibot';
import { LifeboatError } from '../../errors.ts';
import { RowDigest, type TableDigest } from '../format/digest.ts';
import { readCatalog } from './catalog.ts';
import { definitions, endings, preamble } from './definitions.ts';
import { SEQUENCE, quoteName } from '../sql.ts';
import { type Page, readLongRow, readRows, START } from './pages.ts';
import { type Reader, SnapshotChanged } from './reader.ts';
import { maxRowBytes, type Scratch, Statements, writeLongRow } from './rows.ts';
import { type Catalog, SEQUENCE_TABLE, type Table } from './schema.ts';
import { readStart, type Start } from './start.ts';
import { queriesToEnd, requireUnchanged } from './unchanged.ts';

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
	/**
	 * `atomic`: schema and rows were read in one transaction; `fenced`: in several, with no write
	 * between them.
	 */
	consistency: 'atomic' | 'fenced';
	schema: { objects: number; sha256: string };
	tables: TableSummary[];
	warnings: string[];
}

const Count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

/** A table of which a part is done. */
const StartedTableSchema = v.object({
	name: v.string(),
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
	/** Identity of the schema that the dump has begun with. */
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
	const catalog = await readCatalog(reader.batch);
	const all: StepOptions = { ...options, from: null, mustPause: () => false };
	const end = yield* write(reader, catalog, all);
	if ('summary' in end) return end.summary;
	throw new Error('The dump was laid aside, and nobody had asked for that.');
}

/**
 * Writes the file of a backup as {@link writeScript} does, but may stop between two statements: what
 * the steps write, joined, is the same file. A step reads at least one page.
 *
 * Throws `restore_unfinished` (409) as well, where the database holds a part of what it held.
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
	catalog: Catalog,
	options: StepOptions,
): AsyncGenerator<Uint8Array, StepEnd, void> {
	const { title, from, mustPause } = options;
	const toEnd = queriesToEnd(catalog);
	const work: Work = {
		mustPause: (queries = 0) => mustPause(toEnd + queries),
		scratch: { name: unusedName('lifeboat_scratch', catalog), created: from?.scratch ?? false },
		firstPages: new Map(),
		done: [...(from?.tables ?? [])],
		started: from?.current ?? null,
		onProgress: options.onProgress,
	};
	let start: Start | null = null;
	if (from === null) {
		start = await readStart(reader, catalog, work.mustPause);
		work.firstPages = start.firstPages;
		yield encode(preamble(catalog, title, work.scratch.name));
		yield encode(definitions(catalog, start.fullTextOptions, work.scratch.name));
	}
	const pause = yield* writeTables(reader, catalog, work);
	if (pause !== null) {
		const { done: tables, scratch } = work;
		return {
			checkpoint: { schema: catalog.identity, scratch: scratch.created, tables, ...pause },
		};
	}
	const isAtomic = start?.atomic === reader.cost.queries;
	if (!isAtomic) await requireUnchanged(reader, catalog, work.done);
	return { summary: yield* writeEnd(catalog, work, isAtomic ? 'atomic' : 'fenced') };
}

/** Writes what stands behind the rows. */
function* writeEnd(
	catalog: Catalog,
	{ scratch, done }: Work,
	consistency: DumpSummary['consistency'],
): Generator<Uint8Array, DumpSummary, void> {
	if (scratch.created) yield encode(`DROP TABLE ${quoteName(scratch.name)};\n`);
	yield encode(endings(catalog));
	const summary: DumpSummary = {
		consistency,
		schema: { objects: catalog.objects.length, sha256: catalog.sha256 },
		tables: done,
		warnings: catalog.warnings,
	};
	yield encode(trailer(summary));
	return summary;
}

/** What is to be done, and what has been. */
interface Work {
	/** Whether to stop now, when so many queries more than those to the end are needed. */
	mustPause(queries?: number): boolean;
	scratch: Scratch;
	/** Pages that have been read already. */
	firstPages: Map<Table, Page>;
	/** Tables that are done. */
	done: TableSummary[];
	/** The table of which the step before has done a part. */
	started: StartedTable | null;
	onProgress: DumpOptions['onProgress'];
}

/** Writes the rows of the tables that are not done. Returns null, or where it was told to stop. */
async function* writeTables(
	reader: Reader,
	{ tables }: Catalog,
	work: Work,
): AsyncGenerator<Uint8Array, { current: StartedTable | null } | null, void> {
	const { done, firstPages, mustPause } = work;
	const names = new Set(done.map(({ name }) => name));
	let hasRead = false; // nothing is laid aside before something was done
	for (const table of tables.filter(({ name }) => !names.has(name))) {
		const first = firstPages.get(table);
		if (!first && hasRead && mustPause()) return { current: null };
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
	return null;
}

/** Writes a table's INSERT statements, each as full as it may be, up to where its rows stop. */
async function* writeTable(
	reader: Reader,
	table: Table,
	parts: ReturnType<typeof readRows>,
	{ started, scratch, onProgress }: Work,
): AsyncGenerator<Uint8Array, TableSummary | StartedTable, void> {
	if (table === SEQUENCE_TABLE && started === null) yield encode(`DELETE FROM ${SEQUENCE};\n`);
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
		const { name } = table;
		return { name, place: part.value, digest: digest.save(), open: statements.open() };
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

function unfinished(name: string): LifeboatError {
	return new LifeboatError(
		`The database holds a restore that has not ended: it has an object named ${quoteName(name)}.`,
		{
			code: 'restore_unfinished',
			status: 409,
			hint: 'Nothing was stored. Run that restore again, a whole one with --replace. If nobody restores, rename that object, or drop it.',
		},
	);
}
