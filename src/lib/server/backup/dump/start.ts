import type { Row } from '../database.ts';
import { SCHEMA_QUERY } from './catalog.ts';
import { fullTextOptions } from './definitions.ts';
import { optionQueries } from './full-text.ts';
import { maxRowBytes } from './inserts.ts';
import { type Inspected, requireAnswers } from './inspect.ts';
import { type Page, parsePage } from './pages.ts';
import { parsePlans, planQueries, selectionsOf, type TablePlan } from './plan.ts';
import { joinedPage, type PageRequest } from './queries.ts';
import { type Reader, ResultTooLarge } from './reader.ts';
import type { Catalog, Table } from './schema.ts';
import { requireSchema } from './unchanged.ts';
import { START } from './walk.ts';

/**
 * Bytes of the largest database that is read in one batch: others wait for it for a third of a second,
 * and as literals it may be a few times larger, which D1 and the Worker hold in memory.
 */
export const ATOMIC_BYTES = 8_000_000;
/** The most tables that one batch reads: each takes a statement of up to MAX_STATEMENT_BYTES. */
const ATOMIC_TABLES = 100;
/** Queries that plan all tables: of 50 at once, each stays below D1's 25,000 opcodes. */
const PLAN_QUERIES = 2;
/** Bytes of a database whose tables are a page each, without a plan. */
const PAGE_EACH_BYTES = 1_000_000;
/** Bytes that a page aims at: its text may be twice as long, and more than MAX_VALUE_BYTES is refused. */
const PAGE_BYTES = 850_000;

/** What a dump reads before it writes anything. */
export interface Start {
	/** Statements that set the options of full-text tables; null if the file has them already. */
	fullTextOptions: string[] | null;
	/** All pages of each table, if the database is small. */
	firstPages: Map<Table, Page[]>;
	/**
	 * The reader's count of queries after all of the above and the schema were read in one
	 * transaction: as long as it stays the same, nothing else was read. Null if there were several.
	 */
	atomic: number | null;
}

/** When a database is read in one batch. */
export interface AtOnce {
	/** Bytes of the largest such database. */
	atomicBytes: number;
	/** Whether so many queries are too many. */
	mustPause(queries: number): boolean;
}

/**
 * Reads what comes before the rows, and the rows too if the database is small. Throws what
 * {@link requireSchema} and {@link Reader.batch} throw.
 */
export async function readStart(
	reader: Reader,
	catalog: Catalog,
	inspected: Inspected,
	options: AtOnce,
): Promise<Start> {
	if (isSmall(reader, catalog, options)) {
		const start = await readAtOnce(reader, catalog, inspected, options);
		if (start !== null) return start;
		await requireAnswered(reader, inspected); // in the state that has begun
	}
	const queries = optionQueries(catalog.fullText);
	const answers = queries.length > 0 ? await reader.batch(queries) : [];
	return {
		fullTextOptions: fullTextOptions(catalog, answers),
		firstPages: new Map(),
		atomic: null,
	};
}

function isSmall(
	reader: Reader,
	{ tables, fullText }: Catalog,
	{ atomicBytes, mustPause }: AtOnce,
): boolean {
	if (reader.databaseBytes > atomicBytes || tables.length > ATOMIC_TABLES) return false;
	return !mustPause(1 + 2 * fullText.length + tables.length);
}

/**
 * Reads everything in one transaction, also the schema again, so that nothing read before counts. Null
 * if that is too much.
 */
async function readAtOnce(
	reader: Reader,
	catalog: Catalog,
	{ queries, answers }: Inspected,
	{ mustPause }: AtOnce,
): Promise<Start | null> {
	const options = optionQueries(catalog.fullText);
	const requests = (await planPages(reader, catalog.tables)).flatMap(pageRequests);
	const statements = [SCHEMA_QUERY, ...options, ...queries, ...requests.map(joinedPage)];
	if (mustPause(statements.length)) return null;
	reader.beginState();
	try {
		const [schema, ...results] = await reader.batch(statements);
		const atomic = reader.cost.queries;
		requireSchema(catalog, schema);
		const afterOptions = results.slice(options.length);
		requireAnswers(answers, afterOptions);
		const rows = afterOptions.slice(queries.length).map((result) => result.results[0] ?? {});
		const firstPages = await parsePages(reader, requests, rows);
		return { fullTextOptions: fullTextOptions(catalog, results), firstPages, atomic };
	} catch (error) {
		if (error instanceof ResultTooLarge) return null;
		throw error;
	}
}

async function planPages(reader: Reader, tables: Table[]): Promise<TablePlan[]> {
	if (reader.databaseBytes <= PAGE_EACH_BYTES) return tables.map(asOnePage);
	const queries = planQueries(tables, { pageBytes: PAGE_BYTES, queries: PLAN_QUERIES });
	reader.beginState(); // the plan need not be that of the catalog's state
	return parsePlans(queries, await reader.batch(queries.map(({ sql }) => sql)));
}

function asOnePage(table: Table, place: number): TablePlan {
	return { table, place, ends: { keys: [] }, hasLongRows: true };
}

/** The pages of a table. In the quick form, the answer might make a second query necessary. */
function pageRequests(plan: TablePlan): PageRequest[] {
	const { table, hasLongRows } = plan;
	const form = hasLongRows ? 'exact' : 'counted';
	const limit = Number.POSITIVE_INFINITY;
	return selectionsOf(plan).map((selection) => {
		return { ...START, table, form, limit, selection, maxRowBytes: maxRowBytes(table) };
	});
}

/** The pages of each table, each of which starts where the one before ends. */
async function parsePages(
	reader: Reader,
	requests: PageRequest[],
	rows: Row[],
): Promise<Map<Table, Page[]>> {
	const found = new Map<Table, Page[]>();
	for (const [index, request] of requests.entries()) {
		const pages = found.get(request.table) ?? [];
		const position = pages.at(-1)?.next ?? request.position;
		pages.push(await parsePage(reader, { ...request, position }, rows[index] ?? {}));
		found.set(request.table, pages);
	}
	return found;
}

async function requireAnswered(reader: Reader, { queries, answers }: Inspected): Promise<void> {
	if (queries.length > 0) requireAnswers(answers, await reader.batch(queries));
}
