import * as v from 'valibot';
import { LifeboatError } from '../../errors.ts';
import { reasonOf, type Row } from '../database.ts';
import { Count } from '../format/fields.ts';
import { describe, mismatches, type Mismatch, refusalQuery } from './foreign-keys.ts';
import { conclude, indexedPart, localeWarning, questions } from './full-text.ts';
import { type Reader, SnapshotChanged } from './reader.ts';
import { type Catalog, SEQUENCE_TABLE } from './schema.ts';
import { sourceOf } from './source.ts';

/*
 * A second look at a database, before anything is written: whether what its file will do can be
 * done, and otherwise how, or what to warn of.
 */

/** What the file does beyond what the schema says, as JSON. */
export const InspectionSchema = v.object({
	searches: v.array(
		v.object({
			name: v.string(),
			fill: v.picklist(['rows', 'rebuild', 'none']),
			rows: v.nullable(Count),
			indexed: v.nullable(Count),
		}),
	),
	/** Columns that need a UNIQUE index while rows are inserted. */
	parentKeys: v.array(v.object({ table: v.string(), columns: v.array(v.string()) })),
	/** Sentences for people. */
	warnings: v.array(v.string()),
});
export type Inspection = v.InferOutput<typeof InspectionSchema>;

/** An inspection, with what it asked and was told: other answers mean that it is outdated. */
export interface Inspected {
	inspection: Inspection;
	queries: string[];
	answers: (Row | undefined)[];
}

/**
 * Asks the database what the schema does not tell. Takes no query unless there are FTS5 tables or
 * foreign keys that D1 would not accept; else one batch, or several if SQLite refuses a question.
 * Throws what {@link Reader.batch} throws.
 */
export async function inspect(reader: Reader, catalog: Catalog): Promise<Inspected> {
	const suspects = mismatches(catalog);
	const asked = [
		...catalog.fullText.map((table) => questions(table, sourceOf(catalog, table))),
		...suspects.map((suspect) => [refusalQuery(suspect)]),
	];
	const answers = await ask(reader, asked);
	const repeatable = asked.flatMap((queries, index) => {
		const [query, answer] = [queries.at(-1), answers[index]];
		return query === undefined || typeof answer === 'string' ? [] : { query, answer };
	});
	return {
		inspection: conclusion(catalog, suspects, answers),
		queries: repeatable.map(({ query }) => query),
		answers: repeatable.map(({ answer }) => answer),
	};
}

function conclusion(catalog: Catalog, suspects: Mismatch[], answers: (Row | string)[]): Inspection {
	const { fullText } = catalog;
	const findings = fullText.map((table, index) =>
		conclude(table, sourceOf(catalog, table), answers[index] ?? {}),
	);
	const isRefused = (_: unknown, index: number) => {
		const answer = answers[fullText.length + index];
		return typeof answer === 'string' || answer?.['refused'] === 1;
	};
	const accepted = suspects.filter((suspect, index) => !isRefused(suspect, index));
	const keys = accepted.flatMap((suspect) => (suspect.kind === 'no index' ? suspect.parent : []));
	return {
		searches: findings.map(({ search }) => search),
		parentKeys: [...new Map(keys.map((key) => [JSON.stringify(key), key])).values()],
		warnings: [
			...fullText.flatMap(localeWarning),
			...findings.flatMap(({ warnings }) => warnings),
			...suspects.filter(isRefused).map(describe),
		],
	};
}

/** The first row of the last query of each question, or why SQLite refused one of them. */
async function ask(reader: Reader, questions: string[][]): Promise<(Row | string)[]> {
	const queries = questions.flat();
	if (queries.length === 0) return questions.map(() => ({}));
	try {
		const results = await reader.batch(queries);
		let at = 0;
		return questions.map(({ length }) => results[(at += length) - 1]?.results[0] ?? {});
	} catch (error) {
		const refusal = refusalOf(error);
		if (questions.length === 1) return [refusal];
	}
	const answers: (Row | string)[] = [];
	for (const question of questions) answers.push(...(await ask(reader, [question])));
	return answers;
}

/** Why SQLite refused a query. Throws any other error again. */
function refusalOf(error: unknown): string {
	const isRefusal =
		error instanceof SnapshotChanged
			? error.cause !== undefined
			: error instanceof LifeboatError &&
				['database_error', 'result_too_large'].includes(error.code);
	if (!isRefusal) throw error;
	return reasonOf((error as Error).cause);
}

/** The catalog with what the inspection found. */
export function inspected(catalog: Catalog, { searches, warnings }: Inspection): Catalog {
	const parts = catalog.fullText.filter(
		({ name, options }) =>
			options.content === 'external' &&
			searches.some((search) => search.name === name && search.fill === 'rows'),
	);
	const counters = catalog.tables.filter((table) => table === SEQUENCE_TABLE);
	const others = catalog.tables.filter((table) => table !== SEQUENCE_TABLE);
	return {
		...catalog,
		tables: [...others, ...parts.map(indexedPart), ...counters],
		warnings: [...catalog.warnings, ...warnings],
	};
}
