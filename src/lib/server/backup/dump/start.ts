import { SCHEMA_QUERY } from './catalog.ts';
import { fullTextOptions, fullTextQueries } from './definitions.ts';
import { firstPageOf, type Page, parsePage } from './pages.ts';
import { joinedPage } from './queries.ts';
import { type Reader, ResultTooLarge } from './reader.ts';
import { maxRowBytes } from './rows.ts';
import type { Catalog, Table } from './schema.ts';
import { requireSchema } from './unchanged.ts';

/** A database up to this size is tried in one batch: its literals may take a few times as much. */
const SMALL_DATABASE_BYTES = 1_000_000;
/** Tables up to which one batch reads them all: each is a statement of up to 100,000 bytes. */
const SMALL_DATABASE_TABLES = 100;

/** What a dump reads before it writes anything. */
export interface Start {
	/** Statements that set the options of full-text tables. */
	fullTextOptions: string[];
	/** The first page of each table, where the database is small. */
	firstPages: Map<Table, Page>;
	/**
	 * The reader's queries when all of the above and the schema had been read in one transaction: while
	 * there are no more, nothing else was read. Null where it was not so.
	 */
	atomic: number | null;
}

/**
 * Reads what comes before the rows, and of a small database those too. `mustPause` tells whether so
 * many queries are too many. Throws what {@link requireSchema} and {@link Reader.batch} throw.
 */
export async function readStart(
	reader: Reader,
	catalog: Catalog,
	mustPause: (queries: number) => boolean,
): Promise<Start> {
	const { tables, fullText } = catalog;
	const isSmall =
		reader.databaseBytes <= SMALL_DATABASE_BYTES && tables.length <= SMALL_DATABASE_TABLES;
	if (isSmall && !mustPause(1 + fullText.length + tables.length)) {
		try {
			return await readAtOnce(reader, catalog);
		} catch (error) {
			if (!(error instanceof ResultTooLarge)) throw error;
		}
	}
	const queries = fullTextQueries(catalog);
	const options = queries.length > 0 ? await reader.batch(queries) : [];
	return {
		fullTextOptions: fullTextOptions(catalog, options),
		firstPages: new Map(),
		atomic: null,
	};
}

/** One transaction in which the schema is read again, so that no other one counts for anything. */
async function readAtOnce(reader: Reader, catalog: Catalog): Promise<Start> {
	const options = fullTextQueries(catalog);
	const requests = catalog.tables.map((table) => firstPageOf(table, maxRowBytes(table)));
	reader.beginState();
	const [schema, ...results] = await reader.batch([
		SCHEMA_QUERY,
		...options,
		...requests.map(joinedPage),
	]);
	const atomic = reader.cost.queries;
	requireSchema(catalog, schema);
	const pages = requests.map(async (request, index): Promise<[Table, Page]> => {
		const [row = {}] = results[options.length + index]?.results ?? [];
		return [request.table, await parsePage(reader, request, row)];
	});
	return {
		fullTextOptions: fullTextOptions(catalog, results),
		firstPages: new Map(await Promise.all(pages)),
		atomic,
	};
}
