import { LifeboatError, messageOf } from '../../../errors.ts';
import type { Sleep } from '../../../retry.ts';
import {
	type BatchResult,
	isTooLongValue,
	isTooMuch,
	retrying,
	type SqlDatabase,
	type StatementResult,
	TOO_LONG_VALUE,
	unfenced,
} from '../../database.ts';
import { MAX_VALUE_BYTES } from '../../limits.ts';
import { STAGE } from '../../sql.ts';
import { createStage, unlessTaken } from '../../stage-tables.ts';
import { readCatalog, SCHEMA_QUERY } from '../catalog.ts';
import { fullTextOptions } from '../definitions.ts';
import { optionQueries } from '../full-text.ts';
import {
	ALL_TERMS,
	type Inspected,
	type Inspection,
	inspect,
	inspected,
	NO_TERMS,
	type TermsChoice,
	withTerms,
} from '../inspect.ts';
import { Reader, type ReadingCost, readingFailure, SnapshotChanged } from '../reader.ts';
import type { Catalog, FullTextTable, Table } from '../schema.ts';
import { requireFinished, requireSchema } from '../unchanged.ts';
import { fillStage } from './fill.ts';
import { parsePlans, planQueries, type TablePlan } from '../plan.ts';
import type { StagedTable } from './read.ts';
import { fillFromTerms, termFacts, TERMS_STATEMENTS } from './terms.ts';

/**
 * Bytes of a page, which ends with the row that exceeds them. Its text may be twice as long, if every
 * character is a quote, and has to stay below MAX_VALUE_BYTES.
 */
const PAGE_BYTES = 850_000;
/** Queries that plan all tables: the database answers nobody else while one of them runs. */
const PLAN_QUERIES = 8;
/** Plans for one stage: a page may outgrow its plan, or the schema change. */
const MAX_PLANS = 3;
/** What the next plan divides the bytes of a page by, if a page was too long. */
const SMALLER = 4;
/** Statements that a stage of few tables takes besides those that read terms. */
const OTHER_STATEMENTS = 18;

/** A stage that was filled. */
export interface Stage {
	owner: string;
	/** The schema when it was filled. */
	schema: Catalog;
	inspection: Inspection;
	fullTextOptions: string[];
	tables: StagedTable[];
	/** How long the transaction took that filled it, in milliseconds. */
	waitedMs: number;
	/** What it took to plan and to fill it. */
	cost: ReadingCost;
	/** Rows that D1 counted as written. */
	rowsWritten: number;
	/** The Time Travel bookmark after it, which includes the stage; null if there is none. */
	bookmark: string | null;
}

/** What making a stage works with. */
export interface StageOptions {
	owner: string;
	sleep: Sleep;
	/** Milliseconds since 1970. */
	now(): number;
	/** How many more statements may run. */
	room(): number;
	/** Throws if so many more rows are too many to read. */
	mayRead?(rows: number): void;
	/** Bytes of a page at first. */
	pageBytes?: number;
	/** Of which FTS5 tables to read the terms; by default of all for which there is room. */
	terms?: TermsChoice;
	/** Whether to stage what an unfinished restore has made. */
	mayBeUnfinished?: boolean;
}

/**
 * Prints all pages of a database into a stage, in one transaction, during which nobody else can
 * write. Throws `stage_name_taken` (409), `snapshot_unstable` (409) if it takes more statements than
 * there is room for, or more time or space than D1 gives, {@link SnapshotChanged} if each plan was
 * outdated before its transaction, and what {@link Reader.batch} throws.
 */
export async function makeStage(database: SqlDatabase, options: StageOptions): Promise<Stage> {
	let { pageBytes = PAGE_BYTES, terms = ALL_TERMS } = options;
	for (let plans = 1; ; plans++) {
		let plan: Plan | null = null;
		try {
			plan = await planStage(database, { ...options, pageBytes, terms });
			return await fill(database, options, plan);
		} catch (error) {
			const isTooLong = isTooLongValue(error);
			const isOutdated = isTooLong || error instanceof SnapshotChanged;
			if (isTooLong) pageBytes = Math.ceil(pageBytes / SMALLER);
			if (isOutdated && plans < MAX_PLANS) continue;
			const mayBeTerms = plan !== null && plan.indexes.length > 0;
			if (!mayBeTerms || !(isTooLong || isRefused(error))) {
				throw isTooLong ? new SnapshotChanged('', { cause: error }) : error;
			}
			terms = NO_TERMS; // an index that cannot be read must not cost the backup
		}
	}
}

/** Whether SQLite refuses the transaction, or the plan allows fewer statements. */
function isRefused(error: unknown): boolean {
	const codes = ['database_error', 'snapshot_unstable'];
	return error instanceof LifeboatError && codes.includes(error.code);
}

interface Plan {
	schema: Catalog;
	catalog: Catalog;
	found: Inspected;
	plans: TablePlan[];
	/** FTS5 tables of which the terms are read. */
	indexes: FullTextTable[];
	/** The tables by their places in the stage. */
	places: Table[];
	pageBytes: number;
	planned: ReadingCost;
}

async function planStage(
	database: SqlDatabase,
	{
		sleep,
		room,
		pageBytes,
		terms,
		mayBeUnfinished,
	}: StageOptions & Pick<Required<StageOptions>, 'pageBytes' | 'terms'>,
): Promise<Plan> {
	const reader = new Reader(unfenced(database), sleep);
	const schema = await readCatalog(reader.batch);
	if (!mayBeUnfinished) requireFinished(schema);
	const most = Math.floor((room() - OTHER_STATEMENTS) / TERMS_STATEMENTS);
	const found = await inspect(reader, schema, {
		...terms,
		most: Math.max(0, Math.min(terms.most, most)),
	});
	const catalog = inspected(schema, found.inspection);
	const indexes = schema.fullText.filter((table) => isRead(found.inspection, table));
	const isIndex = ({ name }: Table) => indexes.some((index) => index.name === name);
	const others = catalog.tables.filter((table) => !isIndex(table));
	const plans = await readPlans(reader, others, pageBytes);
	const places = [...others, ...catalog.tables.filter(isIndex)];
	return { schema, catalog, found, plans, indexes, places, pageBytes, planned: reader.cost };
}

function isRead({ searches }: Inspection, { name }: FullTextTable): boolean {
	return searches.some((search) => search.name === name && search.fill === 'terms');
}

async function fill(
	database: SqlDatabase,
	{ owner, sleep, now, room, mayRead }: StageOptions,
	plan: Plan,
): Promise<Stage> {
	mayRead?.(plan.planned.rowsRead / 2); // measured: planning reads each row three times, filling once
	const { schema, found, places } = plan;
	const creating = createStage(owner);
	const options = optionQueries(schema.fullText);
	const statements = [
		...creating,
		SCHEMA_QUERY,
		...options,
		...found.queries,
		...fillStage(plan.plans),
		...fillFromTerms(plan),
		`SELECT tbl,min(seq) AS first,count(*) AS pages,count(page) AS filled,max(octet_length(page)) AS longest FROM ${STAGE} WHERE seq > 0 GROUP BY tbl`,
	];
	if (statements.length > room()) throw tooLong(statements.length);
	const startedAt = now();
	const { results, bookmark } = await run(database, statements, sleep);
	const waitedMs = now() - startedAt;
	const [facts, ...answers] = results.slice(creating.length);
	requireSchema(schema, facts);
	const state = found.again(answers.slice(options.length));
	const inspection = withTerms(schema, state, termFacts(places, results));
	return {
		owner,
		schema,
		inspection,
		fullTextOptions: fullTextOptions(schema, answers),
		tables: stagedTables(inspected(schema, inspection).tables, places, results.at(-1)),
		waitedMs,
		cost: {
			queries: plan.planned.queries + results.length,
			rowsRead: plan.planned.rowsRead + total(results.map(({ meta }) => meta.rows_read)),
		},
		rowsWritten: total(results.map(({ meta }) => meta.rows_written)),
		bookmark,
	};
}

async function run(
	database: SqlDatabase,
	statements: string[],
	sleep: Sleep,
): Promise<BatchResult> {
	try {
		return await unlessTaken(() => retrying(() => database.batch(statements), sleep));
	} catch (error) {
		if (isTooLongValue(error)) throw error;
		throw isTooMuch(error) || isFull(error) ? tooLarge(error) : readingFailure(error);
	}
}

/** Each query is a call of its own, because the database answers nobody else meanwhile. */
async function readPlans(reader: Reader, tables: Table[], pageBytes: number): Promise<TablePlan[]> {
	const queries = planQueries(tables, { pageBytes, queries: PLAN_QUERIES });
	const results: StatementResult[] = [];
	for (const { sql } of queries) results.push(...(await reader.batch([sql])));
	return parsePlans(queries, results);
}

/**
 * Where the tables are in the stage. Throws {@link TOO_LONG_VALUE} if a page is longer than D1 returns;
 * not every SQLite refuses it.
 */
function stagedTables(
	tables: Table[],
	places: Table[],
	counts: StatementResult | undefined,
): StagedTable[] {
	const rows = counts?.results ?? [];
	return tables.map(({ name }) => {
		const place = places.findIndex((table) => table.name === name);
		const row = rows.find(({ tbl }) => tbl === place) ?? {};
		if (Number(row['longest'] ?? 0) > MAX_VALUE_BYTES) throw new Error(TOO_LONG_VALUE);
		const isEmpty = Number(row['filled'] ?? 0) === 0;
		return { place, first: Number(row['first'] ?? 0), pages: isEmpty ? 0 : Number(row['pages']) };
	});
}

function total(numbers: (number | undefined)[]): number {
	return numbers.reduce((sum: number, number) => sum + (number ?? 0), 0);
}

/** Whether the database may not grow as the stage needs. */
function isFull(error: unknown): boolean {
	return /disk is full|maximum DB size/i.test(messageOf(error));
}

function tooLarge(cause: unknown): LifeboatError {
	return new LifeboatError(
		'D1 could not stage the database in one transaction: it took too much.',
		{
			code: 'snapshot_unstable',
			status: 409,
			hint: "Nothing was stored. Set BACKUP_STAGE_MAX_MB below the database's size, and back up at a quieter time. The function's log has D1's reason.",
			retryable: true,
			retryAfter: 60,
			cause,
		},
	);
}

function tooLong(statements: number): LifeboatError {
	return new LifeboatError(
		`To stage the database takes ${statements} statements, more than are left in one call.`,
		{
			code: 'snapshot_unstable',
			status: 409,
			hint: 'Nothing was stored. Try again at a quieter time. On the paid plan, set BACKUP_PLAN to paid: a call may then run 1,000 statements.',
			retryable: true,
			retryAfter: 60,
		},
	);
}
