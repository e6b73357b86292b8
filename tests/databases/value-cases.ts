import { type Case, of, holding } from './case.ts';
import { times } from './draw.ts';
import { sql, text, type Sql } from './sql.ts';
import { counting, long } from './values.ts';

export const values: Case[] = [
	holding('a literal \\n beside a newline', text('one\\ntwo\nthree\\\\n\\r\r\\t\t')),
	holding(
		'the ends of int64, and integers beyond 2^53',
		...['-9223372036854775808', '9223372036854775807', '9007199254740993', '-9007199254740993'],
	),
	holding('1.0 and 1 in a column without affinity', [1], '1', `'1'`, `'1.0'`, `X'31'`),
	holding(
		'doubles at the ends of their range',
		...['9e999', '-9e999', '(0.0 * -1)', '0.0'],
		...[[5e-324], [-5e-324], [2.2250738585072014e-308], [2 ** -1022 - 2 ** -1074]],
		...[[1.7976931348623157e308], [-1.7976931348623157e308], [0.1], [1 / 3], [2 ** 63]],
	),
	of(
		'doubles in columns of every affinity',
		'CREATE TABLE t (n, i INTEGER, r REAL, c NUMERIC, b BLOB, x TEXT)',
		...[[1], [1e15], [1e300], [2 ** 53 + 2], [0.5], ['(0.0 * -1)'], ['9e999']].map(
			(double: Sql) =>
				sql`INSERT INTO t SELECT d, d, d, d, d, 't' || i FROM (SELECT ${double} AS d, 1 AS i)`,
		),
	),
	holding('NUL in text', text('\0'), text('before\0after'), text('ends\0'), `''`, `X'00'`, `X''`),
	holding(
		'text that is not UTF-8',
		...[
			'80',
			'FF',
			'41C3',
			'C328',
			'E282',
			'F09F98',
			'C080',
			'EDA080',
			'EDA0BDEDBAA3',
			'F4908080',
		].map((bytes) => `CAST(X'${bytes}' AS TEXT)`),
		text('\ufffd'),
	),
	of(
		'values that a column only has by default',
		'CREATE TABLE t (id INTEGER PRIMARY KEY)',
		'INSERT INTO t VALUES (1), (2)',
		`ALTER TABLE t ADD COLUMN a TEXT NOT NULL DEFAULT 'it''s; new'`,
		'ALTER TABLE t ADD COLUMN b REAL DEFAULT 1',
		`ALTER TABLE t ADD COLUMN c AS (a || '!')`,
		`INSERT INTO t (id, a) VALUES (3, 'own')`,
	),
	of(
		'NULL under a CHECK that old versions of SQLite judge differently',
		'CREATE TABLE t (document TEXT CHECK (json_valid(document)))',
		`INSERT INTO t VALUES (NULL), ('{}')`,
	),
];

// Text that some tool on the way back into a database changes.
export const rewritten: Case[] = [
	holding(
		'CR LF and lone CR',
		text('a\r\nb'),
		text('a\rb'),
		text('\r'),
		text('\r\n'),
		text('\n\r'),
	),
	holding(
		'BEGIN TRANSACTION and COMMIT in data',
		...[
			'BEGIN TRANSACTION;',
			'COMMIT;',
			'a\nBEGIN TRANSACTION;\nb\nCOMMIT;\nc',
			'begin transaction;',
		].map(text),
	),
	holding(
		'lines that look like commands of a shell',
		...['a\n.quit\nb', '.read /etc/passwd', 'a\ngo\nb', 'a\n/\nb', 'a\n;\nb', '\n.exit'].map(text),
	),
	holding('line ends that only some know', text('a\u2028b\u2029c\u0085d\ve\ff')),
	holding('a backslash at the end', text('a\\'), text('\\'), text("\\'"), text('a\\\nb')),
	holding('Ctrl-Z', text('before\x1aafter'), text('\x1a'), text('\x04')),
	holding(
		'quotes, comments and ends of statements',
		...["'", "''", '"', ';', '--', '-- a\nb', '/*', '*/', "');", "'; DROP TABLE kept; --"].map(
			text,
		),
	),
	holding('a byte order mark', text('\ufeff'), text('\ufeffa'), text('a\ufeffb')),
];

const item = `'{"id":' || i || ',"name":"life\\"boat\\\\n é 🚣","body":"${'lorem ipsum '.repeat(5)}"}'`;
const document = `(${counting(15_000)} SELECT '[' || group_concat(${item}, ',' || char(10)) || ']' FROM counting)`;
const awkward = Uint8Array.from([0, 255, 13, 10, 39, 92, 110, 0xf0, 0x9f, 0x9a, 0xa3, 34, 26, 128]);

export const longValues: Case[] = [
	of(
		'1.9 MB of JSON that is checked',
		`CREATE TABLE t (id INTEGER PRIMARY KEY, document TEXT NOT NULL CHECK (json_valid(document)),
			size INTEGER AS (length(document)) VIRTUAL, UNIQUE (document))`,
		`INSERT INTO t (document) VALUES (${document})`,
	),
	of(
		'a blob of 1.9 MB',
		'CREATE TABLE t (id INTEGER PRIMARY KEY, content BLOB NOT NULL CHECK (length(content) > 1000000))',
		sql`INSERT INTO t (content) VALUES (CAST(${long(1_890_000, awkward)} AS BLOB))`,
	),
	of(
		'1.9 MB of text with a character at every place where it could be cut',
		'CREATE TABLE t (content TEXT NOT NULL)',
		sql`INSERT INTO t VALUES (${long(1_890_000, '🚣é\ufffd東')})`,
	),
	of(
		'1.9 MB of text that is not UTF-8',
		'CREATE TABLE t (content TEXT NOT NULL)',
		sql`INSERT INTO t VALUES (${long(1_890_000, awkward)})`,
	),
	of(
		'a row too long for one statement in many short columns',
		`CREATE TABLE t (${times(99, (at) => `c${String(at)} TEXT NOT NULL`).join(', ')}, PRIMARY KEY (c0)) WITHOUT ROWID`,
		`INSERT INTO t SELECT ${times(99, (at) => `'${String(at)}' || replace(hex(zeroblob(1000)), '0', 'é')`).join(', ')}`,
	),
	of(
		'keys longer than a statement',
		'CREATE TABLE t (k TEXT PRIMARY KEY, v) WITHOUT ROWID',
		sql`INSERT INTO t VALUES ('a', 1), (${long(120_000, 'k')}, 2), (${long(150_000, 'l')}, 3), ('z', 4)`,
	),
];
