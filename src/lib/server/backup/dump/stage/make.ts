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
import { type Inspected, type Inspection, inspect, inspected, requireAnswers } from '../inspect.ts';
import { Reader, type ReadingCost, readingFailure, SnapshotChanged } from '../reader.ts';
import type { Catalog } from '../schema.ts';
import { requireFinished, requireSchema } from '../unchanged.ts';
import { fillStage } from './fill.ts';
import { parsePlans, planQueries, type TablePlan } from './plan.ts';
import type { StagedTable } from './read.ts';

/**
 * Bytes of a page, which ends with the row that exceeds them. Its text may be twice as long, if every
 * character is a quote, and has to stay below MAX_VALUE_BYTES.
 */
const PAGE_BYTES = 850_000;
/** Plans for one stage: a page may outgrow its plan, or the schema change. */
const MAX_PLANS = 3;
/** What the next plan divides the bytes of a page by, if a page was too long. */
const SMALLER = 4;

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
	/** Bytes of a page at first. */
	pageBytes?: number;
}

/**
 * Prints all pages of a database into a stage, in one transaction, during which nobody else can
 * write. Throws `stage_name_taken` (409), `snapshot_unstable` (409) if it takes more statements than
 * there is room for, or more time or space than D1 gives, {@link SnapshotChanged} if each plan was outdated before its transaction, and
 * what {@link Reader.batch} throws.
 */
export async function makeStage(database: SqlDatabase, options: StageOptions): Promise<Stage> {
	for (let plans = 1, { pageBytes = PAGE_BYTES } = options; ; plans++) {
		try {
			return await plannedStage(database, { ...options, pageBytes });
		} catch (error) {
			const isTooLong = isTooLongValue(error);
			if (!isTooLong && !(error instanceof SnapshotChanged)) throw error;
			if (plans === MAX_PLANS) throw isTooLong ? new SnapshotChanged('', { cause: error }) : error;
			if (isTooLong) pageBytes = Math.ceil(pageBytes / SMALLER);
		}
	}
}

async function plannedStage(
	database: SqlDatabase,
	options: StageOptions & { pageBytes: number },
): Promise<Stage> {
	const reader = new Reader(unfenced(database), options.sleep);
	const schema = await readCatalog(reader.batch);
	requireFinished(schema);
	const found = await inspect(reader, schema);
	const catalog = inspected(schema, found.inspection);
	const plans = await readPlans(reader, catalog, options.pageBytes);
	return fill(database, { ...options, schema, catalog, found, plans, planned: reader.cost });
}

interface Plan {
	schema: Catalog;
	catalog: Catalog;
	found: Inspected;
	plans: TablePlan[];
	planned: ReadingCost;
}

async function fill(
	database: SqlDatabase,
	{ owner, sleep, now, room, ...plan }: StageOptions & Plan,
): Promise<Stage> {
	const { schema, catalog, found } = plan;
	const creating = createStage(owner);
	const options = optionQueries(catalog.fullText);
	const statements = [
		...creating,
		SCHEMA_QUERY,
		...options,
		...found.queries,
		...fillStage(plan.plans),
		`SELECT tbl,min(seq) AS first,count(*) AS pages,count(page) AS filled,max(octet_length(page)) AS longest FROM ${STAGE} WHERE seq > 0 GROUP BY tbl`,
	];
	if (statements.length > room()) throw tooLong(statements.length);
	const startedAt = now();
	const { results, bookmark } = await run(database, statements, sleep);
	const waitedMs = now() - startedAt;
	const [facts, ...answers] = results.slice(creating.length);
	requireSchema(schema, facts);
	requireAnswers(found.answers, answers.slice(options.length));
	return {
		owner,
		schema,
		inspection: found.inspection,
		fullTextOptions: fullTextOptions(catalog, answers),
		tables: stagedTables(catalog, results.at(-1)),
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

async function readPlans(
	reader: Reader,
	{ tables }: Catalog,
	pageBytes: number,
): Promise<TablePlan[]> {
	const plans: TablePlan[] = [];
	for (const query of planQueries(tables, pageBytes)) {
		const [result] = await reader.batch([query.sql]);
		plans.push(...parsePlans(query, result, plans.length));
	}
	return plans;
}

/** Throws {@link TOO_LONG_VALUE} if a page is longer than D1 returns; not every SQLite refuses it. */
function stagedTables({ tables }: Catalog, counts: StatementResult | undefined): StagedTable[] {
	const rows = counts?.results ?? [];
	return tables.map((_, place) => {
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
