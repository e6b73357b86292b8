import fc from 'fast-check';
import { hex, sql, text, type Sql } from './sql.ts';

const int64 = { least: -(2n ** 63n), greatest: 2n ** 63n - 1n };
const beyondDouble = 2n ** 53n + 1n;

// Any 64-bit integer, boundary values more often.
const integer: fc.Arbitrary<Sql> = fc
	.oneof(
		fc.bigInt(-100n, 100n),
		fc.constantFrom(
			...[int64.least, int64.least + 1n, int64.greatest - 1n, int64.greatest],
			...[-beyondDouble, 2n - beyondDouble, beyondDouble - 2n, beyondDouble, 2n ** 31n, 10n ** 15n],
		),
		fc.bigInt(int64.least, int64.greatest),
	)
	.map((integer) => [String(integer)]);

function doubleOfBits(pattern: bigint): number {
	const view = new DataView(new ArrayBuffer(8));
	view.setBigUint64(0, pattern);
	return view.getFloat64(0);
}

// All bits of the exponent set means infinity or NaN; SQLite stores a NaN as NULL.
const exponent = 0x7ffn << 52n;
const lowestOfExponent = 1n << 52n;
const finite = (pattern: bigint) =>
	(pattern & exponent) === exponent ? pattern ^ lowestOfExponent : pattern;

const decimals = fc
	.tuple(
		fc.integer({ min: 1, max: 17 }),
		fc.bigInt(1n, 10n ** 17n),
		fc.integer({ min: -30, max: 30 }),
	)
	.map(([digits, number, tens]) => Number(`${String(number).slice(0, digits)}e${String(tens)}`));

// Any double: exact bit patterns, and SQL for those that no parameter carries.
const double: fc.Arbitrary<Sql> = fc.oneof(
	fc
		.constantFrom(
			...[
				1,
				-1,
				0.1,
				1.5,
				100,
				2 ** 53,
				2 ** 53 + 2,
				2 ** 63,
				-(2 ** 63),
				1e15,
				1e16,
				1.2345678901234568e17,
			],
			...[5e-324, 2 ** -1022 - 2 ** -1074, 2.2250738585072014e-308, 1.7976931348623157e308],
			...[-1.7976931348623157e308, 4503599627370495.5, 0.30000000000000004, 1e23, 8.41e21],
		)
		.map((double) => [double]),
	fc.bigInt(0n, 2n ** 64n - 1n).map((pattern) => plain(doubleOfBits(finite(pattern)))),
	fc.bigInt(0n, 2n ** 52n - 1n).map((subnormal) => plain(doubleOfBits(subnormal))),
	decimals.map(plain),
	fc.constantFrom('9e999', '-9e999', '(0.0 * -1)', '0.0').map((expression) => [expression]),
);

function plain(double: number): Sql {
	return Object.is(double, -0) ? ['(0.0 * -1)'] : [double];
}

const utf8 = (content: string) => new TextEncoder().encode(content);

// What restore tools, JSON and SQLite's own text functions are known to stumble over.
const stumblingBlocks: Uint8Array[] = [
	...['', '\0', 'before\0after', '\0\0', '\ufffd', '\ufeffbom', '\r\n', '\r', 'a\rb', 'a\r\nb\r\n'],
	...[
		'\\n',
		'literal \\n beside\na newline',
		'\\r\\n',
		'\\',
		'ends in \\',
		'\\0',
		'\\u0041',
		"\\'",
	],
	...['BEGIN TRANSACTION;', 'COMMIT;', 'a\nBEGIN TRANSACTION;\nb\nCOMMIT;\n', 'begin transaction;'],
	...[
		'\n.quit\n',
		'.read x',
		'\ngo\n',
		'\n/\n',
		'/',
		'go',
		'\n;\n',
		';',
		';;',
		'; DROP TABLE x; --',
	],
	...['--', '-- comment', '/*', '*/', '/* open', "'", "''", "it's", '"', '`', '[', ']', "');"],
	...[
		'\u2028',
		'\u2029',
		'\u0085',
		'\x1a',
		'\x1b[0m',
		'\x7f',
		'\t',
		'\v',
		' ',
		' padded ',
		'\u00a0',
	],
	...['🚣', '👩‍👩‍👧‍👦', 'é', 'e\u0301', '東京', '\u{10ffff}', '\ud7ff', '\ue000', '\uffff', 'ß', 'İ'],
	...['0', '1', '-0', '007', '1.0', ' 7', '1e3', '0x10', '9223372036854775808', 'Infinity', 'nan'],
	...[
		'NULL',
		'null',
		'?',
		'?1',
		':a',
		'@a',
		'$a',
		'%s',
		'%',
		'{}',
		'[]',
		'"json"',
		"X'00'",
		'\n',
		'\n\n',
	],
	...['lifeboat', 'Alpha beta', 'the quick brown fox', 'gamma delta', 'O’Brien', 'naïve café'],
].map(utf8);

const invalidUtf8: Uint8Array[] = [
	[0x80],
	[0xbf, 0x41],
	[0xc0, 0x80],
	[0xc1, 0xbf],
	[0xe0, 0x80, 0x80],
	[0xe2, 0x82],
	[0xed, 0xa0, 0x80],
	[0xed, 0xa0, 0xbd, 0xed, 0xba, 0xa3],
	[0xf0, 0x9f, 0x98],
	[0xf4, 0x90, 0x80, 0x80],
	[0xf8, 0x88, 0x80, 0x80, 0x80],
	[0xfe],
	[0xff],
	[0x41, 0xff, 0x42],
	[0xc3],
	[0xc3, 0x28],
	[0xc3, 0x00],
].map((bytes) => Uint8Array.from(bytes));

const fragments: fc.Arbitrary<Uint8Array> = fc.oneof(
	{ weight: 6, arbitrary: fc.constantFrom(...stumblingBlocks) },
	{ weight: 2, arbitrary: fc.constantFrom(...invalidUtf8) },
	{ weight: 2, arbitrary: fc.string({ maxLength: 12 }).map(utf8) },
	{ weight: 2, arbitrary: fc.string({ unit: 'binary', maxLength: 8 }).map(utf8) },
	{ weight: 1, arbitrary: fc.uint8Array({ maxLength: 12 }) },
);

const contents = fc.oneof(
	{ weight: 2, arbitrary: fragments },
	{ weight: 1, arbitrary: fc.array(fragments, { maxLength: 4 }).map(concatenated) },
);

function concatenated(parts: Uint8Array[]): Uint8Array {
	return Uint8Array.from(parts.flatMap((part) => [...part]));
}

const someText: fc.Arbitrary<Sql> = contents.map((bytes) => [text(bytes)]);
const blob: fc.Arbitrary<Sql> = contents.map((bytes) => [`X'${hex(bytes)}'`]);
const nothing: fc.Arbitrary<Sql> = fc.constant(['NULL']);
const anyValue = fc.oneof(nothing, integer, double, someText, blob);
const document: fc.Arbitrary<Sql> = fc.json({ maxDepth: 2 }).map((json) => [text(json)]);

/** What `Draw` draws SQL expressions from: always the same arbitrary, so that it can shrink. */
export type Values = () => fc.Arbitrary<Sql>;

export const integers: Values = () => integer;
export const doubles: Values = () => double;
/** Short texts of any bytes, UTF-8 or not. */
export const texts: Values = () => someText;
/** Short blobs. */
export const blobs: Values = () => blob;
/** Values of every storage class. */
export const anything: Values = () => anyValue;
/** JSON, for columns that check for it. */
export const documents: Values = () => document;

/**
 * SQL that counts: a table `counting` with the integers `i` from 1 to `greatest`. It hides a table of
 * the same name, so no generated table may have that name.
 */
export function counting(greatest: number): string {
	return `WITH RECURSIVE counting(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM counting LIMIT ${String(greatest)})`;
}

/**
 * A text of about `bytes` bytes, built by SQLite from numbered copies of a unit: the statement is
 * short, and no two stretches of the text are alike.
 */
export function long(bytes: number, unit: string | Uint8Array): Sql {
	const digits = 5;
	const copies = Math.ceil(bytes / (unit.length + digits));
	return sql`(${counting(copies)} SELECT group_concat(i || ${text(unit)}, '') FROM counting)`;
}

const longText = fc
	.tuple(
		fc.oneof(
			{ weight: 6, arbitrary: fc.integer({ min: 40_000, max: 130_000 }) },
			{ weight: 1, arbitrary: fc.integer({ min: 900_000, max: 1_100_000 }) },
		),
		contents,
	)
	.map(([bytes, unit]) => long(bytes, unit));

/** Texts longer than a statement may be; now and then of a megabyte. */
export const longTexts: Values = () => longText;
