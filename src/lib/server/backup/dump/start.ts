import { SCHEMA_QUERY } from './catalog.ts';
import { fullTextOptions } from './definitions.ts';
import { optionQueries } from './full-text.ts';
import { maxRowBytes } from './inserts.ts';
import { type Inspected, requireAnswers } from './inspect.ts';
import { type Page, parsePage } from './pages.ts';
import { joinedPage } from './queries.ts';
import { type Reader, ResultTooLarge } from './reader.ts';
import type { Catalog, Table } from './schema.ts';
import { requireSchema } from './unchanged.ts';
import { firstPageOf } from './walk.ts';

/** A database up to this size is read in one batch: as literals it may be a few times larger. */
const SMALL_DATABASE_BYTES = 1_000_000;
/** The most tables that one batch reads: each takes a statement of up to MAX_STATEMENT_BYTES. */
const SMALL_DATABASE_TABLES = 100;

/** What a dump reads before it writes anything. */
export interface Start {
	/** Statements that set the options of full-text tables; null if the file has them already. */
	fullTextOptions: string[] | null;
	/** The first page of each table, if the database is small. */
	firstPages: Map<Table, Page>;
	/**
	 * The reader's count of queries after all of the above and the schema were read in one
	 * transaction: as long as it stays the same, nothing else was read. Null if there were several.
	 */
	atomic: number | null;
}

/**
 * Reads what comes before the rows, and the rows too if the database is small. `mustPause` says
 * whether so many queries are too many. Throws what {@link requireSchema} and {@link Reader.batch}
 * throw.
 */
export async function readStart(
	reader: Reader,
	catalog: Catalog,
	inspected: Inspected,
	mustPause: (queries: number) => boolean,
): Promise<Start> {
	const { tables, fullText } = catalog;
	const isSmall =
		reader.databaseBytes <= SMALL_DATABASE_BYTES && tables.length <= SMALL_DATABASE_TABLES;
	if (isSmall && !mustPause(1 + 2 * fullText.length + tables.length)) {
		try {
			return await readAtOnce(reader, catalog, inspected);
		} catch (error) {
			if (!(error instanceof ResultTooLarge)) throw error;
			await requireAnswered(reader, inspected); // in the state that has begun
		}
	}
	const queries = optionQueries(fullText);
	const options = queries.length > 0 ? await reader.batch(queries) : [];
	return {
		fullTextOptions: fullTextOptions(catalog, options),
		firstPages: new Map(),
		atomic: null,
	};
}

/**
 * Reads everything in one transaction, also the schema again, so that nothing read before counts.
 */
async function readAtOnce(
	reader: Reader,
	catalog: Catalog,
	{ queries, answers }: Inspected,
): Promise<Start> {
	const options = optionQueries(catalog.fullText);
	const requests = catalog.tables.map((table) => firstPageOf(table, maxRowBytes(table)));
	reader.beginState();
	const [schema, ...results] = await reader.batch([
		SCHEMA_QUERY,
		...options,
		...queries,
		...requests.map(joinedPage),
	]);
	const atomic = reader.cost.queries;
	requireSchema(catalog, schema);
	const afterOptions = results.slice(options.length);
	requireAnswers(answers, afterOptions);
	const firstRows = afterOptions.slice(queries.length);
	const pages = requests.map(async (request, index): Promise<[Table, Page]> => {
		const [row = {}] = firstRows[index]?.results ?? [];
		return [request.table, await parsePage(reader, request, row)];
	});
	return {
		fullTextOptions: fullTextOptions(catalog, results),
		firstPages: new Map(await Promise.all(pages)),
		atomic,
	};
}

async function requireAnswered(reader: Reader, { queries, answers }: Inspected): Promise<void> {
	if (queries.length > 0) requireAnswers(answers, await reader.batch(queries));
}
