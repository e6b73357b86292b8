import { type Case, of } from './case.ts';
import { times } from './draw.ts';
import { sql } from './sql.ts';
import { counting, long } from './values.ts';

export const keys: Case[] = [
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
		'keys of several pages whose first parts repeat, in one direction and in two',
		// Large enough that tables are read in several pages.
		'CREATE TABLE large (x)',
		'INSERT INTO large VALUES (zeroblob(1100000)), (zeroblob(1100000))',
		'CREATE TABLE same (a, b, PRIMARY KEY (a, b)) WITHOUT ROWID',
		`${counting(1000)} INSERT INTO same SELECT i / 300, i FROM counting`,
		'CREATE TABLE descending (a, b, PRIMARY KEY (a DESC, b DESC)) WITHOUT ROWID',
		`${counting(1000)} INSERT INTO descending SELECT i / 300, i FROM counting`,
		'CREATE TABLE mixed (a, b, PRIMARY KEY (a DESC, b)) WITHOUT ROWID',
		`${counting(1000)} INSERT INTO mixed SELECT i / 300, i FROM counting`,
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

export const references: Case[] = [
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

const words = `VALUES (1, 'the quick brown fox', 'jumps over'), (5, 'the lazy dog', 'it''s; -- sleeping'), (-3, NULL, 'ümlaut')`;
const table = 'CREATE TABLE t (id INTEGER PRIMARY KEY, title TEXT, body TEXT)';
const rows = `INSERT INTO t ${words}`;

export const searches: Case[] = [
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

export const schemas: Case[] = [
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
