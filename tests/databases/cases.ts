import { times } from './draw.ts';
import { sql, text, type Sql } from './sql.ts';
import { counting, long } from './values.ts';

/** A database that some tool is known to lose, or that is easy to get wrong. */
export interface Case {
	name: string;
	statements: Sql[];
}

/** The named cases: each is a database of its own. */
export const cases: Case[] = [
	...values(),
	...rewritten(),
	...longValues(),
	...keys(),
	...references(),
	...searches(),
	...schemas(),
];

function of(name: string, ...statements: (string | Sql)[]): Case {
	return { name, statements: statements.map((statement) => [statement].flat()) };
}

// One table in which every value keeps the storage class it came with.
function holding(name: string, ...values: (string | Sql)[]): Case {
	const rows = values.map((value) => sql`INSERT INTO "kept" VALUES (${value})`);
	return of(name, 'CREATE TABLE "kept" ("value")', ...rows);
}

function values(): Case[] {
	return [
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
}

// Text that some tool on the way back into a database changes.
function rewritten(): Case[] {
	return [
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
			...['a\n.quit\nb', '.read /etc/passwd', 'a\ngo\nb', 'a\n/\nb', 'a\n;\nb', '\n.exit'].map(
				text,
			),
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
}

function longValues(): Case[] {
	const item = `'{"id":' || i || ',"name":"life\\"boat\\\\n é 🚣","body":"${'lorem ipsum '.repeat(5)}"}'`;
	const document = `(${counting(15_000)} SELECT '[' || group_concat(${item}, ',' || char(10)) || ']' FROM counting)`;
	const awkward = Uint8Array.from([
		0, 255, 13, 10, 39, 92, 110, 0xf0, 0x9f, 0x9a, 0xa3, 34, 26, 128,
	]);
	return [
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
}

function keys(): Case[] {
	return [
		of(
			'rowids without a column, sparse and extreme',
			'CREATE TABLE t (v)',
			`INSERT INTO t (rowid, v) VALUES (9223372036854775807, 'last'), (-9223372036854775808, 'first'),
				(-1, 'before'), (0, 'zero'), (9007199254740993, 'beyond doubles')`,
		),
		of(
			'all three names of the rowid taken by columns',
			'CREATE TABLE t (rowid TEXT, _rowid_ REAL, OID)',
			`INSERT INTO t VALUES ('b', 1, 1), ('a', 2, 2), ('a', 2, 2), (NULL, NULL, NULL)`,
			'DELETE FROM t LIMIT 1',
		),
		of(
			'a primary key that holds NULL, more than once',
			'CREATE TABLE t (k TEXT PRIMARY KEY, v)',
			`INSERT INTO t VALUES (NULL, 1), ('a', 2), (NULL, 3), ('', 4)`,
		),
		of(
			'INTEGER PRIMARY KEY DESC, which is not the rowid',
			'CREATE TABLE t (k INTEGER PRIMARY KEY DESC, v)',
			`INSERT INTO t (rowid, k, v) VALUES (5, 1, 'a'), (3, 2, 'b'), (9, NULL, 'c')`,
		),
		of(
			'keys that differ only to some collations',
			`CREATE TABLE t (a TEXT COLLATE NOCASE, b, PRIMARY KEY (a COLLATE BINARY, b DESC)) WITHOUT ROWID`,
			`INSERT INTO t VALUES ('A', 1), ('a', 1), ('a', 2), ('B', X'00'), ('b', 1.5), ('é', ''), ('É', '')`,
		),
		of(
			'AUTOINCREMENT beyond the greatest id, and in an empty table',
			'CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, v)',
			'CREATE TABLE u (id INTEGER PRIMARY KEY AUTOINCREMENT, v)',
			'CREATE TABLE never (id INTEGER PRIMARY KEY AUTOINCREMENT)',
			`INSERT INTO t (v) VALUES ('a'), ('b'), ('c')`,
			`INSERT INTO u (id) VALUES (9223372036854775807)`,
			'DELETE FROM t WHERE id > 1',
			'DELETE FROM u',
		),
	];
}

function references(): Case[] {
	return [
		of(
			'a child made before its parent',
			'CREATE TABLE child (id INTEGER PRIMARY KEY, parent INTEGER NOT NULL REFERENCES parent (id))',
			'CREATE TABLE parent (id INTEGER PRIMARY KEY)',
			'INSERT INTO parent VALUES (1), (2)',
			'INSERT INTO child VALUES (1, 2), (2, 1)',
		),
		of(
			'rows that refer to later rows, and to themselves',
			'CREATE TABLE t (id INTEGER PRIMARY KEY, parent REFERENCES t (id) ON DELETE CASCADE)',
			'INSERT INTO t VALUES (1, NULL), (2, NULL), (3, 3)',
			'UPDATE t SET parent = 3 - id WHERE id < 3',
		),
		of(
			'two tables that refer to each other',
			'CREATE TABLE hen (id INTEGER PRIMARY KEY, egg REFERENCES egg (id) ON DELETE CASCADE)',
			'CREATE TABLE egg (id INTEGER PRIMARY KEY, hen NOT NULL REFERENCES hen (id) ON DELETE CASCADE)',
			'INSERT INTO hen VALUES (1, NULL), (2, NULL)',
			'INSERT INTO egg VALUES (1, 2), (2, 1)',
			'UPDATE hen SET egg = id',
		),
		of(
			'parents whose removal removes their children',
			'CREATE TABLE parent (id INTEGER PRIMARY KEY, v)',
			'CREATE TABLE child (id INTEGER PRIMARY KEY REFERENCES parent ON DELETE CASCADE)',
			'CREATE TABLE other (parent REFERENCES parent (id) ON DELETE SET NULL)',
			`INSERT INTO parent VALUES (1, 'a'), (2, 'b')`,
			'INSERT INTO child VALUES (1), (2)',
			'INSERT INTO other VALUES (1), (2), (NULL)',
		),
		of(
			'a parent too long for one statement, with children',
			'CREATE TABLE parent (id INTEGER PRIMARY KEY, content TEXT NOT NULL CHECK (length(content) > 9))',
			'CREATE TABLE child (parent NOT NULL REFERENCES parent (id) ON DELETE CASCADE ON UPDATE CASCADE)',
			sql`INSERT INTO parent VALUES (1, ${long(250_000, "it's")})`,
			'INSERT INTO child VALUES (1), (1)',
		),
		of(
			'a parent key that is a UNIQUE INDEX',
			'CREATE TABLE parent (a, b TEXT COLLATE NOCASE)',
			'CREATE UNIQUE INDEX parent_key ON parent (b, a)',
			'CREATE TABLE child (x, y TEXT, FOREIGN KEY (x, y) REFERENCES parent (a, b))',
			`INSERT INTO parent VALUES (1, 'one'), (2, 'two')`,
			`INSERT INTO child VALUES (2, 'TWO'), (1, 'one'), (7, NULL)`,
		),
		of(
			'a parent table that is gone',
			'CREATE TABLE parent (id INTEGER PRIMARY KEY)',
			'CREATE TABLE child (id INTEGER PRIMARY KEY, parent REFERENCES parent (id))',
			'INSERT INTO child VALUES (1, NULL), (2, NULL)',
			'DROP TABLE parent',
		),
	];
}

function searches(): Case[] {
	const words = `VALUES (1, 'the quick brown fox', 'jumps over'), (5, 'the lazy dog', 'it''s; -- sleeping'), (-3, NULL, 'ümlaut')`;
	const table = 'CREATE TABLE t (id INTEGER PRIMARY KEY, title TEXT, body TEXT)';
	const rows = `INSERT INTO t ${words}`;
	return [
		of(
			'full-text search with rows of its own',
			`CREATE VIRTUAL TABLE "search" USING fts5(title, body UNINDEXED, tokenize = 'porter', prefix = '2 3')`,
			`INSERT INTO search (rowid, title, body) ${words}`,
			`INSERT INTO search (rowid, title, body) VALUES (9, X'00FF', 1.0)`,
			'DELETE FROM search WHERE rowid = 5',
		),
		of(
			'full-text search with a ranking of its own',
			'CREATE VIRTUAL TABLE search USING fts5(title, body)',
			`INSERT INTO search (rowid, title, body) ${words}`,
			`INSERT INTO search (search, rank) VALUES ('rank', 'bm25(10.0, 5.0)')`,
		),
		of(
			'full-text search over a table, kept in step by triggers',
			table,
			`CREATE VIRTUAL TABLE search USING fts5(title, body, content='t', content_rowid='id')`,
			`CREATE TRIGGER t_ai AFTER INSERT ON t BEGIN
				INSERT INTO search (rowid, title, body) VALUES (new.id, new.title, new.body);
			END`,
			`CREATE TRIGGER t_ad AFTER DELETE ON t BEGIN
				INSERT INTO search (search, rowid, title, body) VALUES ('delete', old.id, old.title, old.body);
			END`,
			rows,
			'DELETE FROM t WHERE id = 5',
		),
		of(
			'full-text search over a view',
			table,
			rows,
			`CREATE VIEW readable AS SELECT id, coalesce(title, '') || ': ' || body AS everything FROM t`,
			`CREATE VIRTUAL TABLE search USING fts5(everything, content='readable', content_rowid='id')`,
			`INSERT INTO search (search) VALUES ('rebuild')`,
		),
		of(
			'full-text search without contents',
			`CREATE VIRTUAL TABLE search USING fts5(title, body, content='')`,
			`INSERT INTO search (rowid, title, body) ${words}`,
		),
		of(
			'a vocabulary of a full-text search',
			'CREATE VIRTUAL TABLE search USING fts5(title, body)',
			`INSERT INTO search (rowid, title, body) ${words}`,
			`CREATE VIRTUAL TABLE vocabulary USING fts5vocab(search, 'row')`,
		),
		of(
			'tables named as if they belonged to a full-text search',
			'CREATE TABLE t_data (id INTEGER PRIMARY KEY)',
			'CREATE TABLE t_content (a)',
			'CREATE TABLE t (v)',
			'INSERT INTO t_data VALUES (1)',
			`INSERT INTO t_content VALUES ('kept')`,
		),
	];
}

function schemas(): Case[] {
	return [
		of('an empty database'),
		of('tables without rows', 'CREATE TABLE a (x)', 'CREATE TABLE b (x PRIMARY KEY) WITHOUT ROWID'),
		of(
			'300 tables',
			...times(300, (at) => {
				const [name, next] = [`t${String(at)}`, `t${String((at + 1) % 300)}`];
				return `CREATE TABLE ${name} (id INTEGER PRIMARY KEY, next REFERENCES ${next} (id))`;
			}),
			...times(300, (at) => `INSERT INTO t${String(at)} VALUES (${String(at)}, NULL)`),
		),
		of(
			'100 columns',
			`CREATE TABLE t (${times(100, (at) => `"column ${String(at)}"`).join(', ')})`,
			`INSERT INTO t VALUES (${times(100, (at) => `${String(at)} / 4.0`).join(', ')})`,
		),
		of(
			'keys named like the short names of a dump',
			// Large enough that the others are read in several pages.
			'CREATE TABLE large (b)',
			'INSERT INTO large VALUES (zeroblob(1200000))',
			'CREATE TABLE alias (rowid, _rowid_, oid, x, c0 INTEGER PRIMARY KEY)',
			...times(
				300,
				(at) => `INSERT INTO alias VALUES (${String(1000 - at)}, 1, 2, 3, ${String(at)})`,
			),
			'CREATE TABLE parts (c1 TEXT, c0 INTEGER, k, s, PRIMARY KEY (c0, c1, k)) WITHOUT ROWID',
			...times(
				300,
				(at) => `INSERT INTO parts VALUES ('${String(at % 7)}', ${String(at)}, ${String(-at)}, 0)`,
			),
			'CREATE TABLE k (k, r, h, v, u, s, c0, c1, text, lengths, long, last, changes)',
			...times(
				100,
				(at) => `INSERT INTO k VALUES (${String(at)}, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12)`,
			),
		),
		of(
			'boxes of an R*Tree',
			'CREATE VIRTUAL TABLE box USING rtree(id, left, right, top, bottom, +name TEXT)',
			`INSERT INTO box VALUES (-5, 0.1, 0.2, 1e10, 2e10, 'a'), (9007199254740993, -1, 1, 3, 3.5, NULL)`,
			'CREATE VIRTUAL TABLE cell USING rtree_i32(id, low, high)',
			'INSERT INTO cell VALUES (1, -2147483648, 2147483647), (7, 16777217, 16777219)',
		),
		of(
			'integers beside reals in wide and in long rows',
			`CREATE TABLE wide (r REAL, ${times(60, (at) => `i${String(at)} INTEGER`).join(', ')})`,
			`INSERT INTO wide VALUES (0.5, ${times(60, (at) => `9007199254740993 + ${String(at)}`).join(', ')})`,
			'CREATE TABLE long (r REAL, i INTEGER, n NUMERIC, b BLOB)',
			'INSERT INTO long VALUES (0.5, 9223372036854775807, -9007199254740993, zeroblob(100000))',
		),
		of(
			'triggers that do harm when they fire',
			'CREATE TABLE t (id INTEGER PRIMARY KEY, v)',
			'CREATE TABLE log (event)',
			`INSERT INTO t VALUES (1, 'a'), (2, 'b')`,
			`CREATE TRIGGER logged AFTER INSERT ON t BEGIN INSERT INTO log VALUES (new.v); END`,
			`CREATE TRIGGER changed AFTER INSERT ON t BEGIN UPDATE t SET v = 'x' WHERE id = new.id; END`,
			`CREATE TRIGGER refused BEFORE INSERT ON log BEGIN SELECT RAISE(ABORT, 'no; never'); END`,
			`CREATE TRIGGER removed AFTER DELETE ON t BEGIN DELETE FROM log; END`,
		),
		of(
			'a trigger with CASE, END, quotes and comments',
			'CREATE TABLE "it\'s" ("a;b", "END")',
			`CREATE TRIGGER "begin; end" AFTER UPDATE OF "END" ON "it's" WHEN new."END" IS NOT 'END;' BEGIN
				-- it's; END;
				UPDATE "it's" SET "a;b" = CASE WHEN old."END" IS NULL THEN 'a''; END' ELSE CASE 1 WHEN 2 THEN ';' END END;
				/* END; " */ SELECT ';', "a;b" FROM "it's";
			END`,
			`INSERT INTO "it's" VALUES (1, 2)`,
		),
		of(
			'objects whose text ends in a comment',
			'CREATE TABLE t (a, -- it\'s; a column\n b /* "b" */)',
			'CREATE VIEW v AS SELECT a FROM t -- the end',
			'CREATE VIEW w AS SELECT a FROM v\n\t-- the "end";',
			'CREATE INDEX i ON t (a) /* the end; */',
			"CREATE INDEX j ON t (b) WHERE a > 1 -- the end; it's",
		),
		of(
			'views over nothing, and over each other',
			'CREATE VIEW a AS SELECT * FROM b',
			'CREATE VIEW b AS SELECT * FROM "no such table"',
			`CREATE VIEW c ("it's", d) AS SELECT 1, 'x; y'`,
			`CREATE TRIGGER instead INSTEAD OF INSERT ON c BEGIN SELECT 1; END`,
		),
		of(
			'schema with the line ends of Windows',
			'CREATE TABLE t (\r\n\tid INTEGER PRIMARY KEY,\r\n\tv TEXT -- comment\r\n)',
			'CREATE VIEW v AS\r\nSELECT v\r\nFROM t',
			'CREATE TRIGGER g AFTER INSERT ON t\r\nBEGIN\r\n\tDELETE FROM t;\r\nEND',
			`INSERT INTO t VALUES (1, 'a')`,
		),
		of(
			'names of every kind',
			`CREATE TABLE "select" ("", "order" INTEGER, 'it''s', [a "b"], \`c\`\`d\`, "e""f", "g.h", "🚣", " ", "--", "/*")`,
			'INSERT INTO "select" VALUES (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)',
			'CREATE TABLE "a\n;\n.quit\nb" ("__proto__", "constructor")',
			'INSERT INTO "a\n;\n.quit\nb" VALUES (1, 2)',
			'CREATE INDEX "\\" ON "select" ("")',
		),
		of(
			'names that every JavaScript object knows',
			...['__proto__', 'constructor', 'prototype', 'toString'].flatMap((name) => [
				`CREATE TABLE "${name}" ("__proto__", "constructor", "prototype", "toString")`,
				`INSERT INTO "${name}" VALUES (1, '${name}', 3, 4)`,
				`CREATE INDEX "${name} index" ON "${name}" ("__proto__", "constructor")`,
			]),
		),
		of(
			'a definition nearly as long as a statement may be',
			`CREATE TABLE t (a /* ${'long; '.repeat(16_500)}*/)`,
			'INSERT INTO t VALUES (1)',
		),
		of(
			'statistics',
			'CREATE TABLE t (a)',
			'CREATE INDEX i ON t (a)',
			'INSERT INTO t VALUES (1), (2)',
			'ANALYZE',
		),
		of(
			'rows that only constraints with an ON CONFLICT clause let through',
			`CREATE TABLE t (a INTEGER PRIMARY KEY ON CONFLICT REPLACE, b NOT NULL ON CONFLICT IGNORE,
				c UNIQUE ON CONFLICT FAIL, d DEFAULT CURRENT_TIMESTAMP)`,
			`INSERT INTO t VALUES (1, 'x', 1, 'then'), (2, 'y', 2, NULL)`,
		),
	];
}
