import * as v from 'valibot';
import { LifeboatError } from '../../errors.ts';
import { reasonOf, type Row, type StatementResult } from '../database.ts';
import { Count } from '../format/fields.ts';
import { describe, mismatches, type Mismatch, refusalQuery } from './foreign-keys.ts';
import {
	asRows,
	conclude,
	concludeTerms,
	countTerms,
	type Finding,
	fromTerms,
	indexedPart,
	localeWarning,
	questions,
	type TermFacts,
	termsQuestion,
} from './full-text.ts';
import { type Reader, SnapshotChanged } from './reader.ts';
import { type Catalog, type FullTextTable, SEQUENCE_TABLE } from './schema.ts';
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
			fill: v.picklist(['rows', 'rebuild', 'terms', 'none']),
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
	/**
	 * The inspection with the answers of a later state. Throws {@link SnapshotChanged} if the file would
	 * do something else there.
	 */
	again(results: StatementResult[]): Inspection;
}

/** The inspection found FTS5 tables whose terms can be read, which takes a stage. */
export class NeedsStage extends Error {}

/** Of which FTS5 tables to read the terms, if their texts cannot be read, and of how many at most. */
export interface TermsChoice {
	mayRead(name: string): boolean;
	most: number;
}

/** To read the terms of no table, and of all. */
export const NO_TERMS: TermsChoice = { mayRead: () => false, most: 0 };
export const ALL_TERMS: TermsChoice = { mayRead: () => true, most: Number.POSITIVE_INFINITY };

/**
 * Asks the database what the schema does not tell. Takes no query unless there are FTS5 tables or
 * foreign keys that D1 would not accept; else one batch, or several if SQLite refuses a question.
 * Throws what {@link Reader.batch} throws.
 */
export async function inspect(
	reader: Reader,
	catalog: Catalog,
	choice: TermsChoice = NO_TERMS,
): Promise<Inspected> {
	const { fullText } = catalog;
	const suspects = mismatches(catalog);
	const asked = [
		...fullText.map((table) => questions(table, sourceOf(catalog, table))),
		...suspects.map((suspect) => [refusalQuery(suspect)]),
	];
	const terms = fullText.map((table) => (choice.mayRead(table.name) ? termsQuestion(table) : []));
	const answers = await ask(reader, [...asked, ...terms]);
	const repeatable = asked.flatMap((queries, index) => {
		const [query, answer] = [queries.at(-1), answers[index]];
		return query === undefined || typeof answer === 'string' ? [] : { query, answer };
	});
	const counts = answers.slice(asked.length).map((answer, index) => {
		const isAsked = terms[index]?.length === 1 && typeof answer !== 'string';
		return isAsked ? countTerms(answer) : null;
	});
	const conclude = (from: (Row | string)[]) =>
		conclusion(catalog, suspects, from, { ...choice, counts });
	const inspection = conclude(answers);
	return {
		inspection,
		queries: repeatable.map(({ query }) => query),
		answers: repeatable.map(({ answer }) => answer),
		again(results) {
			const later = new Map(repeatable.map(({ answer }, at) => [answer, results[at]?.results[0]]));
			const now = conclude(
				answers.map((answer) =>
					typeof answer === 'string' ? answer : (later.get(answer) ?? answer),
				),
			);
			if (workOf(now) !== workOf(inspection)) throw new SnapshotChanged();
			return now;
		},
	};
}

/** What the file does, without what is only counted. */
function workOf({ searches, parentKeys }: Inspection): string {
	return JSON.stringify([searches.map(({ name, fill }) => [name, fill]), parentKeys]);
}

function conclusion(
	catalog: Catalog,
	suspects: Mismatch[],
	answers: (Row | string)[],
	terms: Terms,
): Inspection {
	const { fullText } = catalog;
	const findings = fullText.map((table, index) =>
		conclude(table, sourceOf(catalog, table), answers[index] ?? {}),
	);
	readTerms(fullText, findings, terms);
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

/** The numbers of terms in FTS5 tables, and of how many tables they may be read. */
interface Terms {
	counts: (number | null)[];
	most: number;
}

/** Replaces what was found about tables whose texts cannot be read, but whose terms are counted. */
function readTerms(tables: FullTextTable[], findings: Finding[], { counts, most }: Terms): void {
	let [read, total] = [0, 0];
	for (const [index, table] of tables.entries()) {
		const count = counts[index] ?? null;
		if (count === null || findings[index]?.search.fill !== 'none' || read === most) continue;
		const finding = fromTerms(table, count, total);
		findings[index] = finding;
		if (finding.search.fill !== 'terms') continue;
		total += count;
		read++;
	}
}

/** The inspection, with what was found out about the terms of tables since. */
export function withTerms(
	{ fullText }: Catalog,
	inspection: Inspection,
	facts: Map<string, TermFacts>,
): Inspection {
	const found = fullText.flatMap((table) => {
		const known = facts.get(table.name);
		return known ? [concludeTerms(table, known)] : [];
	});
	const searches = inspection.searches.map(
		(search) => found.find((finding) => finding.search.name === search.name)?.search ?? search,
	);
	const warnings = found.flatMap((finding) => finding.warnings);
	return { ...inspection, searches, warnings: [...inspection.warnings, ...warnings] };
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

/** Throws {@link SnapshotChanged} unless the questions of an inspection have the same answers. */
export function requireAnswers(answers: Inspected['answers'], results: StatementResult[]): void {
	const print = (rows: (Row | undefined)[]) =>
		JSON.stringify(rows.map((row) => ({ ...row, changes: null })));
	const now = answers.map((_, index) => results[index]?.results[0]);
	if (print(now) !== print(answers)) throw new SnapshotChanged();
}

/** The catalog with what the inspection found. */
export function inspected(catalog: Catalog, { searches, warnings }: Inspection): Catalog {
	const parts = catalog.fullText.flatMap((table) => {
		const fill = searches.find(({ name }) => name === table.name)?.fill;
		if (fill === 'terms') return [asRows(table)];
		return fill === 'rows' && table.options.content === 'external' ? [indexedPart(table)] : [];
	});
	const counters = catalog.tables.filter((table) => table === SEQUENCE_TABLE);
	const others = catalog.tables.filter((table) => table !== SEQUENCE_TABLE);
	return {
		...catalog,
		tables: [...others, ...parts, ...counters],
		warnings: [...catalog.warnings, ...warnings],
	};
}
