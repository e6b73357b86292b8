import type { D1Database } from '@cloudflare/workers-types';

/**
 * Makes tables with every kind of value and object that a backup must restore. SQLite itself makes the
 * values, the same ones each time. Tables of an earlier run are dropped first; no other table is
 * touched.
 */
export async function loadSample(database: D1Database): Promise<void> {
	const statements = [...CLEAR, ...TABLES, ...ROWS, ...AFTER_ROWS];
	await database.batch(statements.map((sql) => database.prepare(sql)));
}

/** Children before the parents that they refer to. */
const CLEAR = [
	'DROP VIEW IF EXISTS demo_sales',
	'DROP TABLE IF EXISTS demo_order_lines',
	'DROP TABLE IF EXISTS demo_orders',
	'DROP TABLE IF EXISTS demo_customers',
	'DROP TABLE IF EXISTS demo_thumbnails',
	'DROP TABLE IF EXISTS demo_products_search',
	'DROP TABLE IF EXISTS demo_products',
	'DROP TABLE IF EXISTS demo_notes',
	'DROP TABLE IF EXISTS demo_events',
	'DROP TABLE IF EXISTS demo_values',
	'DROP TABLE IF EXISTS demo_texts',
	'DROP TABLE IF EXISTS demo_readings',
];

/** Many columns of numbers. */
const SENSORS = Array.from({ length: 40 }, (_, at) => `sensor${at + 1}`);

const TABLES = [
	// Refers to itself, and to a table that comes later.
	`CREATE TABLE demo_customers (
	id INTEGER PRIMARY KEY AUTOINCREMENT,
	name TEXT NOT NULL COLLATE NOCASE,
	email TEXT NOT NULL UNIQUE,
	domain TEXT GENERATED ALWAYS AS (substr(email, instr(email, '@') + 1)) VIRTUAL,
	referrer INTEGER REFERENCES demo_customers (id) ON DELETE SET NULL,
	favourite INTEGER REFERENCES demo_products (id),
	settings TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(settings))
)`,
	`CREATE TABLE demo_products (
	id INTEGER PRIMARY KEY,
	title TEXT NOT NULL,
	price REAL NOT NULL CHECK (price >= 0),
	rebate REAL NOT NULL DEFAULT 0.1,
	reduced REAL GENERATED ALWAYS AS (price * (1 - rebate)) STORED
)`,
	// An index over another table's rows, kept up to date by a trigger.
	`CREATE VIRTUAL TABLE demo_products_search USING fts5(title, content=demo_products, content_rowid=id)`,
	`CREATE TRIGGER demo_products_searchable AFTER INSERT ON demo_products BEGIN
	INSERT INTO demo_products_search (rowid, title) VALUES (NEW.id, NEW.title);
END`,
	`CREATE TABLE demo_thumbnails (
	product INTEGER PRIMARY KEY REFERENCES demo_products (id) ON DELETE CASCADE,
	image BLOB NOT NULL
)`,
	`CREATE TABLE demo_orders (
	id INTEGER PRIMARY KEY,
	customer INTEGER NOT NULL REFERENCES demo_customers (id) ON DELETE CASCADE,
	placed DATETIME NOT NULL,
	remark TEXT
)`,
	`CREATE TABLE demo_order_lines (
	order_id INTEGER NOT NULL REFERENCES demo_orders (id) ON DELETE CASCADE,
	line INTEGER NOT NULL,
	product INTEGER NOT NULL REFERENCES demo_products (id),
	quantity INTEGER NOT NULL CHECK (quantity > 0),
	PRIMARY KEY (order_id, line)
) WITHOUT ROWID`,
	`CREATE TABLE demo_events (at INTEGER NOT NULL, kind TEXT NOT NULL, payload ANY) STRICT`,
	`CREATE VIRTUAL TABLE demo_notes USING fts5(title, body, tokenize='porter unicode61')`,
	// No type and no key: only the storage class and the rowid identify a value.
	`CREATE TABLE demo_values (label, value)`,
	`CREATE TABLE demo_texts (label TEXT NOT NULL, body TEXT NOT NULL)`,
	`CREATE TABLE demo_readings (
	${SENSORS.map((name) => `${name} REAL`).join(', ')}, taken INTEGER PRIMARY KEY, serial INTEGER
)`,
];

const FIRST_NAMES = ['Ada', 'Bjørn', 'Chiyo', 'Dorothea', 'Esi', 'Gül', 'Håkon', 'Inês', 'Zoë'];
const LAST_NAMES = ['Adeyemi', 'Brönte', "D'Arcy", 'Lovelace', 'Nakamura', 'Øst', 'Ruiz'];
const COLOURS = ['red', 'amber', 'green', 'teal', 'navy', 'violet'];
const GOODS = ['anchor', 'barometer', 'compass', 'flare', 'lantern', 'oar', 'rope', 'sextant'];

const ROWS = [
	`INSERT INTO demo_products (id, title, price, rebate) ${series(240)}
	SELECT i, ${pick(COLOURS, 'i * 5')} || ' ' || ${pick(GOODS, 'i')} || ' no. ' || i,
		(i * 3719 % 100000) / 100.0, (i % 7) / 9.0 FROM series`,
	`INSERT INTO demo_customers (name, email, referrer, favourite, settings) ${series(500)}
	SELECT ${pick(FIRST_NAMES, 'i')} || ' ' || ${pick(LAST_NAMES, 'i / 3')},
		'sailor' || i || '@' || ${pick(GOODS, 'i')} || '.example',
		nullif(i / 2, 0), iif(i % 4, i % 240 + 1, NULL),
		json_object('colour', ${pick(COLOURS, 'i')}, 'mails', i % 3) FROM series`,
	// The counter of AUTOINCREMENT stays ahead of the rows.
	`DELETE FROM demo_customers WHERE id > 490`,
	`INSERT INTO demo_thumbnails ${series(60)}
	SELECT i * 4, unhex(replace(hex(zeroblob(1024)), '00', printf('%08X', i * 71755457))) FROM series`,
	`INSERT INTO demo_orders ${series(1200)}
	SELECT i * 3, i * 17 % 490 + 1, datetime(1700000000 + i * 4703, 'unixepoch'),
		iif(i % 5, NULL, 'Leave it at the pier; it''s no. ' || i) FROM series`,
	`INSERT INTO demo_order_lines ${series(2400)}
	SELECT (i / 2 + i % 2) * 3, i % 2 + 1, i * 13 % 240 + 1, i % 9 + 1 FROM series`,
	// A value of every storage class in one column.
	`INSERT INTO demo_events ${series(1200)}
	SELECT 1700000000000 + i * 86413, ${pick(['view', 'cart', 'pay', 'ship'], 'i')},
		CASE i % 6 WHEN 0 THEN NULL WHEN 1 THEN 9007199254740992 + i WHEN 2 THEN i / 7.0
			WHEN 3 THEN 'text ' || i WHEN 4 THEN unhex(printf('%08X', i)) ELSE 1.0 * i END FROM series`,
	`DELETE FROM demo_events WHERE rowid % 10 = 3`,
	`INSERT INTO demo_notes (rowid, title, body) ${series(300)}
	SELECT i * 7, ${pick(COLOURS, 'i')} || ' note ' || i,
		'Sailing with ' || ${pick(GOODS, 'i')} || ' and ' || ${pick(GOODS, 'i * 3 + 1')} ||
		', said ' || ${pick(FIRST_NAMES, 'i * 2')} || '.' FROM series`,
	`INSERT INTO demo_values (rowid, label, value) VALUES
	(-9223372036854775808, 'smallest integer', -9223372036854775808),
	(-1, 'largest integer', 9223372036854775807),
	(2, 'first integer that no double holds', 9007199254740993),
	(3, 'integer 1', 1), (4, 'real 1.0', 1.0), (5, 'text 1', '1'), (6, 'blob 1', X'31'),
	(10, 'zero', 0), (11, 'real zero', 0.0), (12, 'negative zero', -0.0),
	(20, 'infinity', 9e999), (21, 'negative infinity', -9e999),
	(22, 'largest real', 1.7976931348623157e308), (23, 'smallest real', 5e-324),
	(24, 'a third', 1 / 3.0), (25, 'a tenth', 0.1),
	(30, 'empty text', ''), (31, 'empty blob', X''), (32, NULL, NULL),
	(9223372036854775807, 'zeros', zeroblob(70000))`,
	String.raw`INSERT INTO demo_texts VALUES
	('NUL', 'before' || char(0) || 'after'),
	('line ends', 'one' || char(13, 10) || 'two' || char(13) || 'three' || char(10)),
	('the characters \n beside a new line', 'C:\new\name' || char(10) || 'second line'),
	('emoji', '👩‍👩‍👧‍👦 and 🏴󠁧󠁢󠁷󠁬󠁳󠁿'),
	('SQL', 'it''s "SQL"; -- no comment' || char(10) || '/* ; */ BEGIN TRANSACTION; COMMIT;'),
	('not UTF-8', CAST(X'C328FF41' AS TEXT)),
	('byte order mark', char(65279) || 'text'),
	('200 KB', replace(hex(zeroblob(8700)), '00', 'The sea is everything. '))`,
	`INSERT INTO demo_readings ${series(50)}
	SELECT ${SENSORS.map((_, at) => `sin(i) * ${at}`).join(', ')}, 1700000000 + i * 60, 9007199254740992 + i FROM series`,
];

const AFTER_ROWS = [
	`CREATE INDEX demo_orders_customer ON demo_orders (customer, placed DESC)`,
	`CREATE INDEX demo_orders_remarked ON demo_orders (remark) WHERE remark IS NOT NULL`,
	`CREATE INDEX demo_customers_first_name ON demo_customers (lower(substr(name, 1, instr(name, ' '))))`,
	`CREATE VIEW demo_sales AS SELECT c.name, sum(l.quantity * p.reduced) AS total
	FROM demo_customers c JOIN demo_orders o ON o.customer = c.id
	JOIN demo_order_lines l ON l.order_id = o.id JOIN demo_products p ON p.id = l.product
	GROUP BY c.id`,
	// If it fired during a restore, it would add events.
	`CREATE TRIGGER demo_orders_logged AFTER INSERT ON demo_orders BEGIN
	INSERT INTO demo_events VALUES (unixepoch() * 1000, 'order', NEW.id);
END`,
];

/** The start of a statement that makes a row of each number from 1 to `last`. */
function series(last: number): string {
	return `WITH RECURSIVE series (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM series WHERE i < ${last})`;
}

/** SQL for one of the texts, chosen by the number `index`, which is SQL too. */
function pick(texts: string[], index: string): string {
	return `('${JSON.stringify(texts).replaceAll("'", "''")}' ->> ((${index}) % ${texts.length}))`;
}
