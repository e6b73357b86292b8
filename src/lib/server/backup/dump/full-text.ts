import { quoteName } from '../sql.ts';
import type { Row } from '../database.ts';
import { isTrigram } from '../virtual-table.ts';
import { literal } from './literals.ts';
import type { FullTextTable, Table } from './schema.ts';

/* How an FTS5 table can be restored so that searches find the same rows as before. */

/**
 * How the file fills an FTS5 table: with `rows` of its own or of the part of another table that it
 * indexes, by a `rebuild` from all of that table, with rows made of the `terms` in its index, or not
 * at all.
 */
export type Fill = 'rows' | 'rebuild' | 'terms' | 'none';

/** The most terms that one backup reads from indexes: they take about 3 s, and the database waits. */
export const MAX_TERMS = 1_000_000;

/** How an FTS5 table is restored. */
export interface Search {
	name: string;
	fill: Fill;
	/** Rows in its index after a restore; null if that cannot be known. */
	rows: number | null;
	/** Rows in its index now; null if that cannot be known. */
	indexed: number | null;
}

/** What the schema says about the table or view that an FTS5 table indexes. */
export interface Source {
	/** Whether its rowids are certainly integers and unique. */
	hasRowids: boolean;
	/** Whether FTS5 may rebuild from it: not if it reads virtual tables (SQLITE_PREPARE_NO_VTAB). */
	isPlain: boolean;
}

/** What was found about an FTS5 table. */
export interface Finding {
	search: Search;
	/** Sentences for people. */
	warnings: string[];
}

/**
 * The questions about an FTS5 table, as queries of which the last has one row as the answer. Its
 * shadow table `_docsize` has the rowids in the index (SQLite: FTS5, "The %_docsize table"). The
 * first query fails if a rebuild would, which reads the same columns. None if all is known.
 */
export function questions(table: FullTextTable, { hasRowids }: Source): string[] {
	const { name, options } = table;
	const sizes = quoteName(`${name}_docsize`);
	if (options.content === 'contentless') return [];
	if (!options.hasSizes) return options.content === 'external' ? [probe(table)] : [];
	const indexed = `(SELECT count(*) FROM ${sizes}) AS indexed`;
	const isOwn = options.content === 'own';
	const source = quoteName(isOwn ? `${name}_content` : options.source);
	const column = `T.${quoteName(isOwn ? 'id' : options.sourceRowid)}`;
	const isExact = isOwn || hasRowids;
	// FTS5 takes any value for an integer, and NULL for 0.
	const id = isExact ? column : `ifnull(CAST(${column} AS INTEGER),0)`;
	const counts = [
		indexed,
		`(SELECT count(*) FROM ${sizes} WHERE id IN (SELECT ${id} FROM ${source} AS T)) AS known`,
		`(SELECT count(${id}) FROM ${source} AS T) AS rows`,
		`(SELECT count(${isExact ? id : `DISTINCT ${id}`}) FROM ${source} AS T) AS ids`,
	];
	const count = `SELECT ${counts.join(',')},total_changes() AS changes`;
	return isOwn ? [count] : [probe(table), count];
}

function probe({ columns, options }: FullTextTable): string {
	const names = [options.sourceRowid, ...columns].map((column) => `T.${quoteName(column)}`);
	return `SELECT ${names.join(',')} FROM ${quoteName(options.source)} AS T LIMIT 0`;
}

/** What the answer means: the row of the last question, or why SQLite refused one. */
export function conclude(table: FullTextTable, source: Source, answer: Row | string): Finding {
	const { name, options } = table;
	if (options.content === 'contentless') {
		return leftOut(name, 'is contentless, so that its texts cannot be read without a stage');
	}
	if (typeof answer === 'string') return leftOut(name, `cannot be rebuilt (${answer})`);
	if (options.hasSizes) return counted(table, source, answer);
	if (options.content === 'external') {
		return leftOut(name, 'does not tell which rows it indexes (columnsize=0)');
	}
	return { search: { name, fill: 'rows', rows: null, indexed: null }, warnings: [] };
}

function counted({ name, options }: FullTextTable, { isPlain }: Source, answer: Row): Finding {
	const count = (column: string) => Number(answer[column]);
	const [indexed, known, rows] = [count('indexed'), count('known'), count('rows')];
	if (rows !== count('ids')) return leftOut(name, 'takes several texts from rows of one rowid');
	const warnings: string[] = [];
	if (indexed > known) warnings.push(dangling(name, indexed - known));
	if (options.content === 'own') {
		if (rows > known) warnings.push(unindexed(name, rows - known));
		return { search: { name, fill: 'rows', rows, indexed }, warnings };
	}
	const fill = known === rows && isPlain ? 'rebuild' : 'rows';
	return { search: { name, fill, rows: known, indexed }, warnings };
}

/**
 * The question how many terms are in an index, if another table may not have its texts. The answer is
 * the record of sums and averages (fts5_index.c, FTS5_AVERAGES_ROWID).
 */
export function termsQuestion({ name, options }: FullTextTable): string[] {
	if (options.content === 'own') return [];
	return [`SELECT hex(block) AS averages FROM ${quoteName(`${name}_data`)} WHERE id=1`];
}

/** The number of terms in the answer: the sum of the varints after the first, the number of rows. */
export function countTerms({ averages }: Row): number {
	const numbers = [0];
	for (const hex of String(averages ?? '').match(/../g) ?? []) {
		const byte = Number.parseInt(hex, 16);
		const number = (numbers.pop() ?? 0) * 128 + (byte & 127);
		numbers.push(number, ...(byte < 128 ? [0] : []));
	}
	return numbers.slice(1).reduce((sum, number) => sum + number, 0);
}

/**
 * What to do about an FTS5 table whose texts cannot be read, if its terms may be: so many of them, and
 * so many of other tables.
 */
export function fromTerms(
	{ name, options }: FullTextTable,
	terms: number,
	others: number,
): Finding {
	const stems = options.tokenizer?.toLowerCase().includes('porter');
	if (isTrigram(options) && (options.detail !== 'full' || stems)) {
		return leftOut(name, 'has trigrams without their places, or stems of them');
	}
	if (terms + others > MAX_TERMS) {
		return leftOut(name, `has ${terms} words, and a backup reads at most ${MAX_TERMS} in all`);
	}
	return { search: { name, fill: 'terms', rows: null, indexed: null }, warnings: [] };
}

/** What was found out about the terms of an index. */
export interface TermFacts {
	/** Rows with terms and, if the index has their sizes, without. */
	rows: number;
	/** Rows whose sizes it has; null if it has none. */
	sized: number | null;
	/** Terms of rows that no text yields. */
	lost: number;
	/** Texts with several terms at one place, or none. */
	displaced: number;
}

/** What to do about an FTS5 table with these terms. */
export function concludeTerms({ name, options }: FullTextTable, facts: TermFacts): Finding {
	const { rows, sized, lost, displaced } = facts;
	if (isTrigram(options) && lost + displaced > 0) {
		return leftOut(name, 'has trigrams that are not of one text');
	}
	const warnings: string[] = [];
	if (lost > 0) warnings.push(lostTerms(name, lost));
	if (displaced > 0) warnings.push(displacedTerms(name, displaced));
	return { search: { name, fill: 'terms', rows, indexed: sized ?? rows }, warnings };
}

/** An FTS5 table as one with rows, which are made of its terms (stage/terms.ts). */
export function asRows({ name, columns }: FullTextTable): Table {
	const key: Table['key'] = { kind: 'rowid', name: 'rowid' };
	return { name, columns, textColumns: new Set(), rowid: 'rowid', key, only: null };
}

/** The part of another table that an FTS5 table indexes, as rows of its own. */
export function indexedPart(table: FullTextTable): Table {
	const sizes = quoteName(`${table.name}_docsize`);
	return { ...asRows(table), only: `s.rowid IN (SELECT id FROM ${sizes})` };
}

/**
 * One query for each FTS5 table: its options, such as `rank`, which FTS5 keeps in a shadow table
 * (SQLite: FTS5, "Special INSERT Commands").
 */
export function optionQueries(tables: FullTextTable[]): string[] {
	return tables.map(
		({ name }) =>
			`SELECT k,${literal('v')} AS v FROM ${quoteName(`${name}_config`)} WHERE k<>'version' ORDER BY k`,
	);
}

/** That the locales of texts are lost, which no query returns (SQLite: FTS5, "locale"). */
export function localeWarning({ name, options }: FullTextTable): string[] {
	if (!options.hasLocales) return [];
	return [`The backup does not contain the locales of the texts in ${quoteName(name)}.`];
}

function leftOut(name: string, reason: string): Finding {
	const quoted = quoteName(name);
	return {
		search: { name, fill: 'none', rows: null, indexed: null },
		warnings: [
			`The full-text table ${quoted} ${reason}: the backup has its definition, but not its index. Fill it again after a restore.`,
		],
	};
}

function dangling(name: string, count: number): string {
	return `The index of ${quoteName(name)} has ${count} rows whose contents no longer exist: a restore leaves them out.`;
}

function unindexed(name: string, count: number): string {
	return `The index of ${quoteName(name)} lacks ${count} of its table's rows: a restore adds them.`;
}

function lostTerms(name: string, count: number): string {
	return `The index of ${quoteName(name)} has words that no text yields (${count}): a restore leaves them out.`;
}

function displacedTerms(name: string, count: number): string {
	return `The index of ${quoteName(name)} has texts with several words at one place, or none (${count}): after a restore, searches for phrases may find other rows.`;
}
