import type { StatementResult } from '../../database.ts';
import { quoteName, quoteText, STAGE } from '../../sql.ts';
import { isTrigram } from '../../virtual-table.ts';
import type { TermFacts } from '../full-text.ts';
import type { FullTextTable, Table } from '../schema.ts';
import { fillStageFrom } from './fill.ts';
import { otherRows, sizes } from './sizes.ts';

/*
 * Rows for FTS5 tables whose texts cannot be read, made of the terms in their index, for which an
 * `fts5vocab` table lists each row, column and place (SQLite: FTS5, "The fts5vocab Virtual Table
 * Module"). A row's new texts have the same terms at the same places: what a search finds depends
 * on nothing else. The tables below exist within the stage's transaction only.
 */

/** The `fts5vocab` table. */
const VOCABULARY = `${STAGE}_vocab`;
/** Spellings to try: SQLite splits each of them into terms, as it will on a restore. */
const SPELLINGS = `${STAGE}_spellings`;
const TRIAL = `${STAGE}_trial`;
const TRIAL_VOCABULARY = `${STAGE}_trial_vocab`;
/**
 * The rows: their rowids, texts as `c0`, ..., and numbers of terms, and of texts with displaced ones.
 */
const TEXTS = `${STAGE}_texts`;

/** Statements that stage the rows of one index. */
export const TERMS_STATEMENTS = 17;

/**
 * Ends of further spellings. The porter stemmer may shorten what it has shortened already:
 * `databases` to `databas`, and this to `databa`, but `database` to `databas`. With these ends all of
 * 187,613 such terms were found again, from 1.7 million English, French, Spanish and random words.
 * The empty end is for capitals, which tokenizers with unusual categories may need.
 */
const FURTHER_ENDS = ['e', 'fulness', 'l', 'ed', 'able', ''];

/** What {@link fillFromTerms} works with. */
interface TermsPlan {
	/** The FTS5 tables. */
	indexes: FullTextTable[];
	/** All tables by their places in the stage. */
	places: Table[];
	pageBytes: number;
}

/** The statements that stage the rows of FTS5 tables which are made of their terms. */
export function fillFromTerms({ indexes, places, pageBytes }: TermsPlan): string[] {
	return indexes.flatMap((index) => {
		const place = places.findIndex(({ name }) => name === index.name);
		const table = places[place];
		if (!table) return [];
		return [
			...makeTexts(index, place),
			...fillStageFrom(asTexts(table), { table, place, pageBytes }),
			...DROP_TEXTS,
		];
	});
}

/** What the statements of {@link fillFromTerms} found out, by the names of the tables. */
export function termFacts(places: Table[], results: StatementResult[]): Map<string, TermFacts> {
	const rows = results.flatMap((result) => result.results).filter((row) => 'terms_of' in row);
	return new Map(
		rows.map((row) => {
			const count = (column: string) => Number(row[column]);
			const facts = {
				rows: count('rows'),
				sized: row['sized'] === null ? null : count('sized'),
				lost: count('lost'),
				displaced: count('displaced'),
			};
			return [places[count('terms_of')]?.name ?? '', facts];
		}),
	);
}

/** Statements that make {@link TEXTS} from an index, and a query of `TermFacts`. */
function makeTexts(table: FullTextTable, place: number): string[] {
	const { name, options } = table;
	const sized = `(SELECT count(*) FROM ${quoteName(`${name}_docsize`)})`;
	return [
		`CREATE VIRTUAL TABLE ${VOCABULARY} USING fts5vocab(${quoteText(name)},'instance')`,
		...trySpellings(options.tokenizer),
		`CREATE TABLE ${TEXTS} AS ${rowsOfTexts(table)}`,
		`SELECT ${place} AS terms_of,count(*) AS rows,${options.hasSizes ? sized : 'NULL'} AS sized,` +
			`(SELECT count(*) FROM ${VOCABULARY})-ifnull(sum(terms),0) AS lost,` +
			`ifnull(sum(displaced),0) AS displaced FROM ${TEXTS}`,
	];
}

/** A table as {@link TEXTS} has its rows. */
function asTexts(table: Table): Table {
	return { ...table, name: TEXTS, columns: table.columns.map((_, at) => `c${at}`) };
}

/** Statements that drop what {@link makeTexts} has created. */
const DROP_TEXTS = [VOCABULARY, TRIAL_VOCABULARY, TRIAL, SPELLINGS, TEXTS].map(
	(name) => `DROP TABLE ${name}`,
);

/** The spellings that SQLite takes for exactly the term that they are for. */
const RIGHT = `SELECT s.rowid AS id FROM ${TRIAL_VOCABULARY} v JOIN ${SPELLINGS} s ON s.rowid=v.doc GROUP BY s.rowid HAVING count(*)=1 AND max(v.term)=s.term`;
/** Two words, to see whether a space is between terms: of a term that is its own spelling. */
const TWO_WORDS = `SELECT NULL,(SELECT term||' '||term FROM ${VOCABULARY} WHERE term NOT IN (SELECT term FROM ${SPELLINGS} WHERE term IS NOT NULL) LIMIT 1)`;
/** Stays after the first spellings, so that no further one gets the rowid of one that is deleted. */
const LAST = `SELECT NULL,NULL`;

/** Statements that try each term as its own spelling, and others for those that fail. */
function trySpellings(tokenizer: string | null): string[] {
	const tokenize = tokenizer === null ? '' : `,tokenize=${quoteText(tokenizer)}`;
	const ends = FURTHER_ENDS.map((end) => `(${quoteText(end)})`).join(',');
	const insert = `INSERT INTO ${TRIAL} (rowid,spelling) SELECT rowid,spelling FROM ${SPELLINGS}`;
	return [
		`CREATE VIRTUAL TABLE ${TRIAL} USING fts5(spelling,content='',columnsize=0${tokenize})`,
		`CREATE VIRTUAL TABLE ${TRIAL_VOCABULARY} USING fts5vocab(${TRIAL},'instance')`,
		`CREATE TABLE ${SPELLINGS} AS SELECT term,term AS spelling FROM (SELECT DISTINCT term FROM ${VOCABULARY}) UNION ALL ${LAST}`,
		insert,
		`DELETE FROM ${SPELLINGS} WHERE rowid IN (${RIGHT})`,
		`INSERT INTO ${SPELLINGS} (term,spelling) SELECT term,iif(column1='',upper(term),term||column1) FROM ${SPELLINGS},(VALUES ${ends}) WHERE term IS NOT NULL UNION ALL ${TWO_WORDS}`,
		`${insert} WHERE rowid>(SELECT min(rowid) FROM ${SPELLINGS} WHERE term IS NULL)`,
	];
}

/** What is between terms. NUL is in no term of any tokenizer (SQLite: fts5_tokenize.c). */
const SEPARATOR = `(SELECT iif(count(*)=2,' ',char(0)) FROM ${TRIAL_VOCABULARY} WHERE doc IN (SELECT rowid FROM ${SPELLINGS} WHERE term IS NULL))`;

/** The terms that are not their own spelling, with one that is right, or NULL. */
const RESPELLED =
	`rightly AS MATERIALIZED(${RIGHT}),` +
	`respelled AS MATERIALIZED(SELECT term,iif(id IS NULL,NULL,spelling) AS spelling,min(iif(id IS NULL,1e15,0)+s.rowid) AS first FROM ${SPELLINGS} s LEFT JOIN rightly ON id=s.rowid WHERE term IS NOT NULL GROUP BY term)`;

/** A query of the rows of {@link TEXTS}. */
function rowsOfTexts(table: FullTextTable): string {
	const { name, columns, options } = table;
	const kept = (text: string, column: string, doc: string) =>
		options.keepsUnindexed
			? `ifnull(${text},(SELECT f.${quoteName(column)} FROM ${quoteName(name)} f WHERE f.rowid=${doc}))`
			: text;
	const texts = columns.map(
		(column, at) => `${kept(`max(text) FILTER (WHERE col=${at})`, column, 'doc')} AS c${at}`,
	);
	const none = columns.map((column) => kept('NULL', column, 'id'));
	const withTerms = options.hasSizes ? '' : ' HAVING sum(terms)>0'; // a restore gives the others new rowids
	return (
		`WITH RECURSIVE ${RESPELLED},${spelledTerms(table)},${columnTexts(table)},${otherRows(table)} ` +
		`SELECT doc AS rowid,${texts.join(',')},sum(terms) AS terms,sum(displaced) AS displaced FROM texts GROUP BY doc${withTerms} ` +
		`UNION ALL SELECT id,${none.join(',')},0,0 FROM others`
	);
}

/** The CTE `w`: each term of each row with its spelling. Where it is read more than once, as a copy. */
function spelledTerms({ columns, options }: FullTextTable): string {
	const index = columns.map((name, at) => `WHEN ${quoteText(name)} THEN ${at}`).join(' ');
	return (
		`w(doc,col,place,term,spelling) AS${options.detail === 'full' ? '' : ' MATERIALIZED'}(` +
		`SELECT v.doc,CASE v.col ${index} END,v.offset,v.term,iif(r.term IS NULL,v.term,r.spelling) ` +
		`FROM ${VOCABULARY} v LEFT JOIN respelled r ON r.term=v.term)`
	);
}

/** CTEs whose last one is `texts`: the text of each column of each row, and how many terms it has. */
function columnTexts(table: FullTextTable): string {
	const { detail } = table.options;
	if (detail === 'full') return `texts AS MATERIALIZED(${placedTexts(table)})`;
	const texts = detail === 'column' ? textsOfColumns() : textsOfRows();
	return `${sizes(table)},${texts}`;
}

/** The terms at their places. Of trigrams, each after the first adds one character. */
function placedTexts({ options }: FullTextTable): string {
	const [word, separator] = isTrigram(options)
		? ['iif(place=0,spelling,substr(spelling,3))', `''`]
		: ['spelling', SEPARATOR];
	return (
		`SELECT doc,col,group_concat(${word},${separator} ORDER BY place,term) AS text,count(spelling) AS terms,` +
		'max(place)+1<>count(*) OR count(DISTINCT place)<>count(*) AS displaced FROM w GROUP BY doc,col'
	);
}

/** So many copies of a term, each after a separator: they make a text as long as it was before. */
function copies(count: string, spelling: string): string {
	return `replace(hex(zeroblob(max(${count},0))),'00',${SEPARATOR}||${spelling})`;
}

/** For `detail=column`, which knows no places: each term of a column once, then copies of one. */
function textsOfColumns(): string {
	const text = `group_concat(spelling,${SEPARATOR} ORDER BY term)`;
	return (
		`known AS(SELECT doc,col,${text} AS text,min(spelling) AS one,count(spelling) AS terms FROM w GROUP BY doc,col),` +
		`texts AS MATERIALIZED(SELECT k.doc,k.col,text||ifnull(${copies('n-terms', 'one')},'') AS text,terms,0 AS displaced ` +
		'FROM known k LEFT JOIN sizes s ON s.doc=k.doc AND s.col=k.col)'
	);
}

/**
 * For `detail=none`, which knows no columns either: the terms fill the columns up to their sizes,
 * then copies of one.
 */
function textsOfRows(): string {
	const text = `group_concat(spelling,${SEPARATOR} ORDER BY nr)`;
	const only = `one||${copies('n-1', 'one')}`;
	return (
		'room AS(SELECT doc,col,n,sum(n) OVER (PARTITION BY doc ORDER BY col)-n AS start FROM sizes),' +
		'numbered AS(SELECT doc,spelling,row_number() OVER (PARTITION BY doc ORDER BY term)-1 AS nr FROM w WHERE spelling IS NOT NULL),' +
		'one AS(SELECT doc,min(spelling) AS one FROM numbered GROUP BY doc),' +
		`known AS(SELECT r.doc,r.col,${text} AS text,count(*) AS terms FROM numbered i JOIN room r ON r.doc=i.doc AND nr>=start AND nr<start+n GROUP BY r.doc,r.col),` +
		`texts AS MATERIALIZED(SELECT r.doc,r.col,iif(k.doc IS NULL,${only},text||${copies('n-terms', 'one')}) AS text,ifnull(terms,0) AS terms,0 AS displaced ` +
		'FROM room r JOIN one o ON o.doc=r.doc LEFT JOIN known k ON k.doc=r.doc AND k.col=r.col WHERE n>0)'
	);
}
