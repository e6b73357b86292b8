import { counting } from './values.ts';

/*
 * A table for each kind of key, with enough rows for many slices. Each row has a place `p`, from which all
 * its values follow: the columns of the key keep the order of `p` where SQLite sorts them so.
 */

/** The value of a column, as an expression of a row's place. */
type Value = (p: string) => string;

export interface KeyedTable {
	name: string;
	/** Statements that create it, with what belongs to it. */
	create: string[];
	/** The columns of its key. */
	key: Record<string, Value>;
	value: Value;
	/** Rows at first. */
	rows: number;
	/** Statements that run after rows were inserted. */
	follow?: string[];
	/** Whether ALTER TABLE and CREATE INDEX take it. */
	virtual?: boolean;
}

/** Places between two rows of a new table. */
const GAP = 1000;
const ROWS = 240;

/** Words, and now and then what tools are known to stumble over. */
const anything: Value = (p) => `CASE abs(${p} / 10) % 41
	WHEN 5 THEN CAST(X'8041FF' AS TEXT) WHEN 6 THEN 'a' || char(13, 10) WHEN 7 THEN 'x' || char(0) || 'y'
	WHEN 8 THEN ${p} / 8.0 WHEN 9 THEN NULL WHEN 10 THEN 9007199254740993 WHEN 11 THEN X'00FF0D'
	WHEN 12 THEN char(65533) || 'BEGIN TRANSACTION;' ELSE ${words(p)} END`;

function words(p: string): string {
	return `printf('row %d it''s %.*c of many', ${p}, abs(${p} * 7919) % 90, 'x')`;
}

/** Longer than a statement may be, text and blobs. */
const long: Value = (p) =>
	`CASE abs(${p} / 10) % 3 WHEN 0 THEN zeroblob(60000 + abs(${p}) % 9000) ELSE replace(hex(zeroblob(50000 + abs(${p}) % 9000)), '00', 'é') END`;

const DOCUMENTS_SEARCH = {
	add: 'INSERT INTO documents_search (rowid, v) VALUES (new.id, new.v);',
	remove: `INSERT INTO documents_search (documents_search, rowid, v) VALUES ('delete', old.id, old.v);`,
};

export const KEYED_TABLES: readonly KeyedTable[] = [
	{
		name: 'by_rowid',
		create: ['CREATE TABLE by_rowid (p INTEGER, v)'],
		key: { rowid: (p) => p },
		value: anything,
		rows: ROWS,
	},
	{
		name: 'by_integer',
		create: [
			'CREATE TABLE by_integer (id INTEGER PRIMARY KEY, p INTEGER, v TEXT)',
			'CREATE INDEX by_integer_v ON by_integer (v)',
		],
		key: { id: (p) => p },
		value: anything,
		rows: ROWS,
	},
	{
		name: 'counted',
		create: ['CREATE TABLE counted (id INTEGER PRIMARY KEY AUTOINCREMENT, p INTEGER, v)'],
		key: { id: (p) => p },
		value: anything,
		rows: ROWS,
	},
	{
		name: 'by_text',
		create: ['CREATE TABLE by_text (k TEXT PRIMARY KEY, p INTEGER, v)'],
		key: { k: (p) => `printf('key %d', ${p})` },
		value: anything,
		rows: ROWS,
	},
	{
		name: 'by_text_alone',
		create: ['CREATE TABLE by_text_alone (k TEXT PRIMARY KEY, p INTEGER, v) WITHOUT ROWID'],
		key: { k: (p) => `printf('key %08d', ${p})` },
		value: anything,
		rows: ROWS,
	},
	{
		name: 'by_two',
		create: [
			'CREATE TABLE by_two (a INTEGER, b TEXT, p INTEGER, v, PRIMARY KEY (a, b)) WITHOUT ROWID',
		],
		key: { a: (p) => `${p} / 7000`, b: (p) => `printf('%04d', abs(${p}) % 7000)` },
		value: anything,
		rows: ROWS,
	},
	{
		name: 'by_two_down',
		create: [
			`CREATE TABLE by_two_down (k TEXT COLLATE NOCASE, n REAL, m TEXT COLLATE RTRIM, p INTEGER, v,
				PRIMARY KEY (k COLLATE NOCASE DESC, n, m DESC)) WITHOUT ROWID`,
		],
		key: {
			k: (p) => `CASE ${p} / 10 % 2 WHEN 0 THEN 'Key' ELSE 'kEY' END || ${p} / 9000`,
			n: (p) => `${p} / 8.0`,
			m: (p) => `'m' || substr('   ', 1, abs(${p} / 10) % 3)`,
		},
		value: anything,
		rows: ROWS,
	},
	{
		name: 'by_anything',
		create: ['CREATE TABLE by_anything (k PRIMARY KEY, p INTEGER, v) WITHOUT ROWID'],
		key: {
			k: (p) =>
				`CASE abs(${p} / 10) % 4 WHEN 0 THEN ${p} WHEN 1 THEN ${p} / 8.0 WHEN 2 THEN 'k' || ${p} ELSE CAST('k' || ${p} AS BLOB) END`,
		},
		value: anything,
		rows: ROWS,
	},
	{
		name: 'by_position',
		create: ['CREATE TABLE by_position (rowid, _rowid_, oid, p INTEGER, v)'],
		key: { rowid: (p) => p, oid: (p) => `${p} / 8.0` },
		value: anything,
		rows: ROWS,
	},
	{
		name: 'searched',
		create: ['CREATE VIRTUAL TABLE searched USING fts5(v, p UNINDEXED)'],
		key: { rowid: (p) => p },
		value: words,
		rows: ROWS,
		virtual: true,
	},
	{
		name: 'documents',
		create: [
			'CREATE TABLE documents (id INTEGER PRIMARY KEY, p INTEGER, v TEXT)',
			`CREATE VIRTUAL TABLE documents_search USING fts5(v, content='documents', content_rowid='id')`,
			`CREATE TRIGGER documents_i AFTER INSERT ON documents BEGIN ${DOCUMENTS_SEARCH.add} END`,
			`CREATE TRIGGER documents_d AFTER DELETE ON documents BEGIN ${DOCUMENTS_SEARCH.remove} END`,
			`CREATE TRIGGER documents_u AFTER UPDATE ON documents
				BEGIN ${DOCUMENTS_SEARCH.remove} ${DOCUMENTS_SEARCH.add} END`,
		],
		key: { id: (p) => p },
		value: words,
		rows: ROWS,
	},
	{
		name: 'parents',
		create: [
			'CREATE TABLE parents (k TEXT PRIMARY KEY, p INTEGER, v) WITHOUT ROWID',
			`CREATE TABLE children (id INTEGER PRIMARY KEY, v,
				parent TEXT NOT NULL REFERENCES parents (k) ON DELETE CASCADE ON UPDATE CASCADE)`,
			'CREATE INDEX children_parent ON children (parent)',
		],
		key: { k: (p) => `printf('parent %08d', ${p})` },
		value: anything,
		rows: ROWS / 2,
		follow: [
			`INSERT OR IGNORE INTO children SELECT p * 10 + i, 'of ' || k || i, k
				FROM parents, (SELECT 1 AS i UNION ALL SELECT 2 UNION ALL SELECT 3)`,
		],
	},
	{
		name: 'long_rows',
		create: ['CREATE TABLE long_rows (id INTEGER PRIMARY KEY, p INTEGER, v)'],
		key: { id: (p) => p },
		value: long,
		rows: 4,
	},
];

/** Statements that make a table with its first rows. */
export function made(table: KeyedTable): string[] {
	return [...table.create, ...inserted(table, `i * ${GAP}`, table.rows)];
}

/** Statements that insert rows: `place` is an expression of their number `i`, from 1. */
export function inserted(table: KeyedTable, place: string, count: number): string[] {
	const columns = ['p', ...Object.keys(table.key), 'v'].join(', ');
	const values = ['p', ...Object.values(table.key).map((value) => value('p')), table.value('p')];
	const places = `SELECT ${place} AS p FROM counting`;
	return [
		`${counting(count)} INSERT OR IGNORE INTO ${table.name} (${columns}) SELECT ${values.join(', ')} FROM (${places})`,
		...(table.follow ?? []),
	];
}
