import { MAX_FUNCTION_ARGUMENTS } from '../limits.ts';

/*
 * SQL expressions that print a value as a literal, which every version of SQLite reads back as
 * exactly that value. A wrong character here loses data.
 *
 * What is printed depends on the value alone, not on the version of SQLite that prints it, so that
 * digests can be compared across versions.
 */

/**
 * Doubles with at most four decimals, and so at most 15 digits, are printed in decimal.
 * SQLite 3.40 reads decimals by dividing the digits by a power of ten with a mantissa of 64 bits
 * and then rounding the quotient to 53 bits. This double rounding gives the wrong neighbour for a
 * number that lies almost halfway between two doubles. A quotient s / 10^e is never that close to
 * halfway as long as 5^e < 2^10.
 */
const SHORT_SCALE = '1e4';
const LARGEST_WITH_DECIMALS = '1e11';
const LARGEST_WHOLE = '1e15';

/** Values that one `format` prints: its first argument is the format. */
const MAX_FORMATTED = MAX_FUNCTION_ARGUMENTS - 1;

/**
 * An expression that prints the value of `column` as a literal. `column` is an SQL expression,
 * which should be short because it is repeated. Text is readable unless a tool would rewrite it on
 * a restore.
 */
export function literal(column: string): string {
	return `CASE typeof(${column}) WHEN 'text' THEN iif(${rewritten(column)},${hexText(column)},quote(${column})) WHEN 'real' THEN ${real(column)} ELSE quote(${column}) END`;
}

/** Like {@link literal}, but with all text in hexadecimal: plain ASCII for any bytes. */
export function hexLiteral(column: string): string {
	return `CASE typeof(${column}) WHEN 'text' THEN ${hexText(column)} WHEN 'real' THEN ${real(column)} ELSE quote(${column}) END`;
}

/**
 * Like {@link literal}, but cheaper, and correct only for text that no tool rewrites: the reader finds
 * the rest with {@link isRewritten}.
 */
function quickLiteral(column: string): string {
	return `CASE typeof(${column}) WHEN 'integer' THEN ${column} WHEN 'null' THEN 'NULL' WHEN 'text' THEN iif(${hasNul(column)},${hexText(column)},quote(${column})) WHEN 'real' THEN ${real(column)} ELSE quote(${column}) END`;
}

/**
 * Whether {@link literal} would print some of this text in hexadecimal for a reason other than NUL.
 */
export function isRewritten(sql: string): boolean {
	return sql.includes('\r') || sql.includes(BEGIN);
}

/** A value to print: an SQL expression, which is repeated, and what it may be. */
export interface Printed {
	column: string;
	/** Whether the column has TEXT affinity, so that it holds only text, blobs and NULL. */
	holds: 'text' | 'integers' | 'anything';
}

/** An expression that prints values as a row, `(literal,...)`, each as {@link literal} does. */
export function exactRow(values: Printed[]): string {
	return formatted(
		values.map(({ column, holds }) => ['%s', holds === 'integers' ? column : literal(column)]),
	);
}

/**
 * The same, but cheaper, and correct only for text that no tool rewrites. `%Q` prints text and NULL
 * like `quote()`; a column with TEXT affinity holds only these and blobs. NULL if it is longer than one
 * value may be.
 */
export function quickRow(values: Printed[]): string {
	const row = formatted(
		values.map(({ column, holds }) => {
			if (holds === 'text') return ['%Q', column];
			return holds === 'integers' ? ['%d', column] : ['%s', quickLiteral(column)];
		}),
	);
	const guards = values
		.filter(({ holds }) => holds === 'text')
		.map(({ column }) => `(${hasNul(column)} OR ${isBlob(column)})`);
	return guards.length > 0 ? `iif(${guards.join('OR')},${exactRow(values)},${row})` : row;
}

/** Prints expressions by their directives, within D1's limit of arguments. */
function formatted(values: [directive: string, expression: string][]): string {
	const formats: string[] = [];
	for (let at = 0; at < values.length; at += MAX_FORMATTED) {
		const some = values.slice(at, at + MAX_FORMATTED);
		const start = at === 0 ? '(' : ',';
		const end = at + MAX_FORMATTED < values.length ? '' : ')';
		const directives = some.map(([directive]) => directive).join(',');
		const expressions = some.map(([, expression]) => expression).join(',');
		formats.push(`format('${start}${directives}${end}',${expressions})`);
	}
	return formats.join('||');
}

/**
 * The sum of SQL expressions, as a balanced tree: D1 refuses expressions deeper than 100 (workerd,
 * util/sqlite.c++, SQLITE_LIMIT_EXPR_DEPTH).
 */
export function sum(expressions: string[]): string {
	if (expressions.length <= 2) return expressions.join('+');
	const half = expressions.length >> 1;
	return `(${sum(expressions.slice(0, half))})+(${sum(expressions.slice(half))})`;
}

/** The bytes of a text or blob; 0 for NULL and numbers, whose literals are short. */
export function octets(column: string): string {
	return `iif(typeof(${column})IN('text','blob'),octet_length(${column}),0)`;
}

/** Splits a printed row, `(1,'a,b',NULL)` with or without the parentheses, into its literals. */
export function splitLiterals(row: string): string[] {
	const inner = row.startsWith('(') ? row.slice(1, -1) : row;
	return inner.match(/(?:'(?:[^']|'')*'|[^,'])+/g) ?? [];
}

/** The words that `wrangler d1 execute --local` looks for in a file. */
const BEGIN = 'BEGIN TRANSACTION';

/**
 * True for text that would not survive as a plain literal: `quote()` stops at a NUL, the sqlite3
 * shell turns CR LF into LF, and `wrangler d1 execute --local` cuts `BEGIN TRANSACTION;` and then
 * `COMMIT;` out of a file that contains the former (workers-sdk, d1/trimmer.ts).
 */
function rewritten(column: string): string {
	return `${hasNul(column)} OR instr(${column},char(13))OR instr(${column},'${BEGIN}')`;
}

function hasNul(column: string): string {
	return `instr(${column},char(0))`;
}

/** True for a blob in a column that holds no numbers: blobs come after all text. */
function isBlob(column: string): string {
	return `${column}>=X''`;
}

function hexText(column: string): string {
	return `'CAST(X'''||hex(${column})||''' AS TEXT)'`;
}

function real(column: string): string {
	const whole = `${column}>-${LARGEST_WHOLE} AND ${column}<${LARGEST_WHOLE} AND CAST(${column} AS INT)=${column}`;
	// Operators take half the time of abs() and round().
	const rounded = `CAST(${column}*${SHORT_SCALE}+iif(${column}<0,-.5,.5)AS INT)`;
	const short = `${column} BETWEEN -${LARGEST_WITH_DECIMALS} AND ${LARGEST_WITH_DECIMALS} AND ${rounded}/${SHORT_SCALE}=${column}`;
	// SQLite prints -0.0 as 0.0. Only atan2 shows its sign bit.
	const zero = `iif(atan2(${column},-1)<0,'-0.0','0.0')`;
	const infinite = `iif(${column}>0,'9e999','-9e999')`;
	return `CASE WHEN ${column}=0 THEN ${zero} WHEN ${short} OR ${whole} THEN printf('%!.15g',${column}) WHEN abs(${column})=9e999 THEN ${infinite} ELSE ${powersOfTwo(column)} END`;
}

/**
 * The double as an integer times or divided by powers of two, which every version of SQLite reads
 * exactly. They do not read decimal text exactly: 3.47 misreads many doubles below 1e-80 and above
 * 1e110, 3.40 a few of any size, and versions also print doubles differently. With n = 53 -
 * floor(log2|x|), x * 2^n is an integer of at most 55 bits. Scaling by a power of two never rounds,
 * not even to a subnormal number.
 */
function powersOfTwo(column: string): string {
	const operator = `iif(n>0,'/','*')`;
	// The same for numbers of a usual size, in a third of the time.
	const usual = `WHEN n BETWEEN 1 AND 61 THEN CAST(${column}*(1<<n)AS INT)||'/'||(1<<n)||'.0'`;
	const any =
		`printf('%d',${column}*pow(2.0,n/2)*pow(2.0,n-n/2))` +
		`||replace(hex(zeroblob(abs(n)/62)),'00',${operator}||'4611686018427387904.0')` +
		`||${operator}||(1<<abs(n)%62)||'.0'`;
	return `(SELECT CASE ${usual} ELSE ${any} END FROM(SELECT 53-CAST(floor(log2(abs(${column})))AS INT)n))`;
}
