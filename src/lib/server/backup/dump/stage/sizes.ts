import { quoteName } from '../../sql.ts';
import type { FullTextTable } from '../schema.ts';

/*
 * How many terms a text had, for FTS5 indexes that keep each term of a text once (`detail=column` and
 * `detail=none`). Ranks need the sizes, and FTS5 refuses to delete more terms than it has counted.
 */

/** Where rows were inserted twice without being deleted, FTS5 has counted them twice. */
const MAX_OTHER_ROWS = 100_000;

/** The byte at a place in text in hexadecimal. */
const BYTE = ['at', 'at+1']
	.map((place) => `(instr('0123456789ABCDEF',substr(hex,${place},1))-1)`)
	.join('*16+');

/**
 * CTEs whose last one is `sizes`: the number of terms `n` in each column `col` of each row `doc`. They
 * need `w` with the index's terms, and RECURSIVE.
 */
export function sizes(table: FullTextTable): string {
	const { name, options } = table;
	if (options.hasSizes) {
		const source = `SELECT id,hex(sz),1,0,0 FROM ${quoteName(`${name}_docsize`)}`;
		return `${numbers(source)},sizes AS(SELECT doc,i AS col,n FROM numbers)`;
	}
	const totals = 'totals AS(SELECT i AS col,n FROM numbers WHERE i>=0)';
	const shares = options.detail === 'column' ? ofColumns() : ofRows();
	return `${averages(name)},${totals},${shares}`;
}

/** Rows of which at least one term comes back. An index without sizes of rows forgets the others. */
const ROWS_WITH_TERMS = 'SELECT doc FROM texts GROUP BY doc HAVING sum(terms)>0';

/**
 * CTEs whose last one is `others`: the rowids `id` of rows without terms. They need `texts`, and those
 * of {@link sizes} if these are read. An index without sizes of rows knows their number alone: there
 * are as many, with other rowids, because FTS5 refuses to delete more rows than it has counted.
 */
export function otherRows({ name, options }: FullTextTable): string {
	if (options.hasSizes) {
		const docsize = quoteName(`${name}_docsize`);
		return `others AS(SELECT id FROM ${docsize} WHERE id NOT IN (SELECT doc FROM texts))`;
	}
	const counted = '(SELECT sum(n) FROM numbers WHERE i=-1)';
	return (
		`${options.detail === 'full' ? `${averages(name)},` : ''}` +
		`found AS(SELECT count(*) AS n FROM (${ROWS_WITH_TERMS})),` +
		`missing AS(SELECT ifnull(max(0,min(${counted}-n,${MAX_OTHER_ROWS})),0) AS m,n FROM found),` +
		'candidates(id) AS(SELECT 1 UNION ALL SELECT id+1 FROM candidates WHERE id<(SELECT m+n FROM missing)),' +
		`others AS(SELECT id FROM candidates WHERE id NOT IN (${ROWS_WITH_TERMS}) LIMIT (SELECT m FROM missing))`
	);
}

/** The number of rows, as `i` -1, and the sums of the sizes of each column (FTS5_AVERAGES_ROWID). */
function averages(name: string): string {
	return numbers(`SELECT NULL,hex(block),1,-1,0 FROM ${quoteName(`${name}_data`)} WHERE id=1`);
}

/** The numbers in blobs of varints (SQLite: Database File Format, "Variable-Length Integer"). */
function numbers(source: string): string {
	return (
		`bytes(doc,hex,at,i,high) AS(${source} UNION ALL SELECT doc,hex,at+2,i+(${BYTE}<128),iif(${BYTE}<128,0,high*128+${BYTE}-128) FROM bytes WHERE at<length(hex)),` +
		`numbers AS(SELECT doc,i,high*128+${BYTE} AS n FROM bytes WHERE at<length(hex) AND ${BYTE}<128)`
	);
}

/** Without sizes of rows: as many terms as the row is known to have, and its share of all others. */
function ofColumns(): string {
	return (
		'counted AS(SELECT doc,col,count(*) AS n FROM w GROUP BY doc,col),' +
		'shares AS(SELECT doc,k.col,k.n,max(t.n-sum(k.n) OVER c,0) AS others,count(*) OVER c AS rows,row_number() OVER (PARTITION BY k.col ORDER BY doc) AS nr FROM counted k JOIN totals t ON t.col=k.col WINDOW c AS (PARTITION BY k.col)),' +
		'sizes AS(SELECT doc,col,n+others/rows+(nr<=others%rows) AS n FROM shares)'
	);
}

/** The same where columns are not known either: all rows in order fill the columns up to their sums. */
function ofRows(): string {
	return (
		'counted AS(SELECT doc,count(*) AS n FROM w GROUP BY doc),' +
		'shares AS(SELECT doc,n,max((SELECT sum(n) FROM totals)-sum(n) OVER (),0) AS others,count(*) OVER () AS rows,row_number() OVER (ORDER BY doc) AS nr FROM counted),' +
		'ofrow AS(SELECT doc,n+others/rows+(nr<=others%rows) AS n FROM shares),' +
		'r AS(SELECT doc,n,sum(n) OVER (ORDER BY doc)-n AS start FROM ofrow),' +
		'c AS(SELECT col,n,sum(n) OVER (ORDER BY col)-n AS start FROM totals),' +
		'sizes AS(SELECT r.doc,c.col,min(r.start+r.n,c.start+c.n)-max(r.start,c.start) AS n FROM r JOIN c ON r.start<c.start+c.n AND c.start<r.start+r.n)'
	);
}
