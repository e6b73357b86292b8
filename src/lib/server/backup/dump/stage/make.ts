import { LifeboatError, messageOf } from '../../../errors.ts';
import type { Sleep } from '../../../retry.ts';
import {
	isTooMuch,
	retrying,
	type SqlDatabase,
	type StatementResult,
	unfenced,
} from '../../database.ts';
import { STAGE, STAGE_VALUES } from '../../sql.ts';
import { readCatalog, SCHEMA_QUERY } from '../catalog.ts';
import { fullTextOptions } from '../definitions.ts';
import { optionQueries } from '../full-text.ts';
import { type Inspection, inspect, inspected, requireAnswers } from '../inspect.ts';
import { Reader, SnapshotChanged } from '../reader.ts';
import type { Catalog } from '../schema.ts';
import { requireSchema } from '../unchanged.ts';
import { createStage, DROP_STAGE, HAS_STAGE } from './definition.ts';
import { fillStage } from './fill.ts';
import { parsePlan, planQuery, type TablePlan } from './plan.ts';
import type { StagedTable } from './read.ts';

/**
 * Bytes of a page. Its text may be twice as long, if every character is a quote, and has to stay
 * below MAX_VALUE_BYTES.
 */
const PAGE_BYTES = 900_000;
/** Plans for one stage: a page may outgrow its plan, or the schema change. */
const MAX_PLANS = 3;
/** Tables that one batch plans. */
const TABLES_PER_BATCH = 20;

/** A stage that was filled. */
export interface Stage {
	/** Identity of the schema when it was filled. */
	schema: string;
	inspection: Inspection;
	fullTextOptions: string[];
	tables: StagedTable[];
	/** How long the transaction took that filled it, in milliseconds. */
	waitedMs: number;
	/** The Time Travel bookmark after it, which includes the stage; null if there is none. */
	bookmark: string | null;
}

/**
 * Prints all pages of a database into a stage, in one transaction, during which nobody else can
 * write. Throws `stage_name_taken` (409), `SnapshotChanged` if the database changes too much between plan and transaction, and
 * what the database throws.
 */
export async function makeStage(
	database: SqlDatabase,
	{ owner, sleep, now }: { owner: string; sleep: Sleep; now(): number },
): Promise<Stage> {
	for (let plans = 1, pageBytes = PAGE_BYTES; ; plans++) {
		try {
			return await fill(database, { owner, sleep, now, pageBytes });
		} catch (error) {
			const isOutdated = error instanceof SnapshotChanged || isTooMuch(error);
			if (!isOutdated || plans === MAX_PLANS) throw error;
			if (isTooMuch(error)) pageBytes /= 2;
		}
	}
}

/**
 * Drops a stage if there is one. Throws `stage_name_taken` (409) if a table of that name is not
 * Lifeboat's, and what the database throws.
 */
export async function dropStage(database: SqlDatabase, sleep: Sleep): Promise<void> {
	const { results } = await retrying(() => database.batch([HAS_STAGE]), sleep);
	if (results[0]?.results[0]?.['n'] === 0) return;
	await unlessTaken(() => retrying(() => database.batch(DROP_STAGE), sleep));
}

async function unlessTaken<T>(work: () => Promise<T>): Promise<T> {
	try {
		return await work();
	} catch (error) {
		throw messageOf(error).includes('integer overflow') ? nameTaken(error) : error;
	}
}

function nameTaken(cause: unknown): LifeboatError {
	return new LifeboatError(
		`The database has a table named ${STAGE} or ${STAGE_VALUES} that is not Lifeboat's.`,
		{
			code: 'stage_name_taken',
			status: 409,
			hint: 'Nothing was changed. Rename that table: a database in use is staged in tables of these names. Or set BACKUP_STAGE_MAX_MB to 0.',
			cause,
		},
	);
}

interface FillOptions {
	owner: string;
	sleep: Sleep;
	now(): number;
	pageBytes: number;
}

async function fill(database: SqlDatabase, options: FillOptions): Promise<Stage> {
	const { owner, sleep, now, pageBytes } = options;
	const reader = new Reader(unfenced(database), sleep);
	const schema = await readCatalog(reader.batch);
	const { inspection, queries, answers } = await inspect(reader, schema);
	const catalog = inspected(schema, inspection);
	const plans = await readPlans(reader, catalog, pageBytes);
	const optionReads = optionQueries(catalog.fullText);
	const facts = [SCHEMA_QUERY, ...optionReads, ...queries];
	const statements = [
		...createStage(owner),
		...facts,
		...plans.flatMap((plan, place) => fillStage(plan, place)),
		`SELECT tbl,min(seq) AS first,count(*) AS pages FROM ${STAGE} WHERE seq > 0 GROUP BY tbl`,
	];
	const startedAt = now();
	const { results, bookmark } = await unlessTaken(() =>
		retrying(() => database.batch(statements), sleep),
	);
	const waitedMs = now() - startedAt;
	const found = results.slice(createStage(owner).length);
	requireSchema(schema, found[0]);
	requireAnswers(answers, found.slice(1 + optionReads.length));
	return {
		schema: schema.identity,
		inspection,
		fullTextOptions: fullTextOptions(catalog, found.slice(1)),
		tables: stagedTables(catalog, results.at(-1)),
		waitedMs,
		bookmark,
	};
}

async function readPlans(
	reader: Reader,
	{ tables }: Catalog,
	pageBytes: number,
): Promise<TablePlan[]> {
	const plans: TablePlan[] = [];
	for (let at = 0; at < tables.length; at += TABLES_PER_BATCH) {
		const some = tables.slice(at, at + TABLES_PER_BATCH);
		const results = await reader.batch(some.map((table) => planQuery(table, pageBytes)));
		plans.push(...some.map((table, index) => parsePlan(table, results[index]?.results ?? [])));
	}
	return plans;
}

function stagedTables({ tables }: Catalog, counts: StatementResult | undefined): StagedTable[] {
	const rows = counts?.results ?? [];
	return tables.map((_, place) => {
		const row = rows.find(({ tbl }) => tbl === place);
		return { place, first: Number(row?.['first'] ?? 0), pages: Number(row?.['pages'] ?? 0) };
	});
}
