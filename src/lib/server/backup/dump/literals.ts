import { MAX_FUNCTION_ARGUMENTS } from '../limits.ts';

/*
 * SQL expressions that make SQLite print a value as a literal that every SQLite reads back as the
 * very same value. A wrong character here loses data.
 *
 * An expression's text depends on the value alone, never on the SQLite that prints it: digests of
 * two databases can be compared across versions.
 */

/**
 * Doubles with at most this many decimals are printed as people write them; 15 digits hold them.
 * SQLite 3.40 divides the digits by a power of ten in 64 bits of mantissa and rounds the quotient
 * to 53: rounded twice, a number that is nearly halfway between two doubles ends one off. A
 * quotient s / 10^e is never as near to halfway as that while 5^e < 2^10.
 */
const SHORT_DECIMALS = 4;
const LARGEST_WITH_DECIMALS = '1e11';
const LARGEST_WHOLE = '1e15';

/** Expressions that one `concat_ws` joins: its first argument is the separator. */
const MAX_JOINED = MAX_FUNCTION_ARGUMENTS - 1;

/**
 * An expression that prints the value of `column` (an SQL expression, short: it is repeated) as a
 * literal. Text is readable, except where a restoring tool would rewrite it.
 */
export function literal(column: string): string {
	return `CASE typeof(${column}) WHEN 'text' THEN iif(${rewritten(column)},${hexText(column)},quote(${column})) WHEN 'real' THEN ${real(column)} ELSE quote(${column}) END`;
}

/** Like {@link literal}, but with all text as hexadecimal: plain ASCII, whatever the bytes are. */
export function hexLiteral(column: string): string {
	return `CASE typeof(${column}) WHEN 'text' THEN ${hexText(column)} WHEN 'real' THEN ${real(column)} ELSE quote(${column}) END`;
}

/**
 * Like {@link literal}, but cheaper, and for rows without any text that {@link isRewritten}: whoever
 * reads has to look for such, and to read again.
 */
export function quickLiteral(column: string): string {
	return `CASE typeof(${column}) WHEN 'integer' THEN ${column} WHEN 'null' THEN 'NULL' WHEN 'text' THEN iif(${hasNul(column)},${hexText(column)},quote(${column})) WHEN 'real' THEN ${real(column)} ELSE quote(${column}) END`;
}

/** The same for a column that holds no numbers, whose affinity is TEXT. */
export function quickText(column: string): string {
	return `iif(${hasNul(column)} AND typeof(${column})='text',${hexText(column)},quote(${column}))`;
}

/** Whether there is text here that {@link literal} would print in hexadecimal, NUL aside. */
export function isRewritten(sql: string): boolean {
	return sql.includes('\r') || sql.includes(BEGIN);
}

/** Joins many SQL expressions with commas, within D1's limit of arguments per function. */
export function joinWithCommas(expressions: string[]): string {
	if (expressions.length <= MAX_JOINED) return `concat_ws(',',${expressions.join(',')})`;
	const groups: string[] = [];
	for (let at = 0; at < expressions.length; at += MAX_JOINED) {
		groups.push(joinWithCommas(expressions.slice(at, at + MAX_JOINED)));
	}
	return joinWithCommas(groups);
}

/** Adds many SQL expressions up, as a balanced tree: D1 refuses expressions deeper than 100. */
export function sum(expressions: string[]): string {
	if (expressions.length <= 2) return expressions.join('+');
	const half = expressions.length >> 1;
	return `(${sum(expressions.slice(0, half))})+(${sum(expressions.slice(half))})`;
}

/** The bytes that a value's text or blob takes; 0 for NULL and numbers, whose literals are short. */
export function octets(column: string): string {
	return `iif(typeof(${column})IN('text','blob'),octet_length(${column}),0)`;
}

/** Words that wrangler's local execute looks for in a file. */
const BEGIN = 'BEGIN TRANSACTION';

/**
 * True for text that a plain literal cannot carry: `quote()` stops at a NUL, the sqlite3 shell
 * turns CR LF into LF, and wrangler's local execute cuts `BEGIN TRANSACTION;` and then `COMMIT;`
 * out of a file that holds the former (workers-sdk, d1/trimmer.ts).
 */
function rewritten(column: string): string {
	return `${hasNul(column)} OR instr(${column},char(13))OR instr(${column},'${BEGIN}')`;
}

function hasNul(column: string): string {
	return `instr(${column},char(0))`;
}

function hexText(column: string): string {
	return `'CAST(X'''||hex(${column})||''' AS TEXT)'`;
}

function real(column: string): string {
	const whole = `abs(${column})<${LARGEST_WHOLE} AND round(${column})=${column}`;
	const short = `abs(${column})<${LARGEST_WITH_DECIMALS} AND round(${column},${SHORT_DECIMALS})=${column}`;
	// SQLite prints -0.0 like 0.0; only its sign bit, seen through atan2, tells them apart.
	const zero = `iif(atan2(${column},-1)<0,'-0.0','0.0')`;
	const infinite = `iif(${column}>0,'9e999','-9e999')`;
	return `CASE WHEN ${column}=0 THEN ${zero} WHEN ${whole} OR ${short} THEN printf('%!.15g',${column}) WHEN abs(${column})=9e999 THEN ${infinite} ELSE ${powersOfTwo(column)} END`;
}

/**
 * An integer times or divided by powers of two. Reading that is exact on every SQLite, which no
 * decimal text is: 3.47 misreads many doubles below 1e-80 and above 1e110, 3.40 a few of any size,
 * and how a double is printed differs as well. With n = 53 - floor(log2|x|), x * 2^n is an integer
 * of at most 55 bits, and scaling by a power of two never rounds, subnormal results included.
 */
function powersOfTwo(column: string): string {
	const operator = `iif(n>0,'/','*')`;
	return (
		`(SELECT printf('%d',${column}*pow(2.0,n/2)*pow(2.0,n-n/2))` +
		`||replace(hex(zeroblob(abs(n)/62)),'00',${operator}||'4611686018427387904.0')` +
		`||${operator}||(1<<abs(n)%62)||'.0' ` +
		`FROM(SELECT 53-CAST(floor(log2(abs(${column})))AS INT)n))`
	);
}
