import { quoteName } from '../sql.ts';
import type { Row } from '../database.ts';
import { literal } from './literals.ts';
import type { FullTextTable, Table } from './schema.ts';

/* How an FTS5 table can be restored so that searches find the same rows as before. */

/**
 * How the file fills an FTS5 table: with `rows` of its own or of the part of another table that it
 * indexes, by a `rebuild` from all of that table, or not at all.
 */
export type Fill = 'rows' | 'rebuild' | 'none';

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
		return leftOut(name, 'is contentless, so that its texts cannot be read');
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

/** The part of another table that an FTS5 table indexes, as rows of its own. */
export function indexedPart({ name, columns }: FullTextTable): Table {
	return {
		name,
		columns,
		textColumns: new Set(),
		rowid: 'rowid',
		key: { kind: 'rowid', name: 'rowid' },
		only: `s.rowid IN (SELECT id FROM ${quoteName(`${name}_docsize`)})`,
	};
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
