import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { migrate } from '../src/cli/embedded/server.ts';
import { INDEXES, type Row, siteRows, TABLES, type Value } from './data/site.ts';

/** Bytes of SQL around each row and each value: line break, commas and brackets. */
const BYTES_PER_ROW = 4;
const BYTES_PER_VALUE = 1;
/** Lifeboat writes a real of 16 or 17 digits as a quotient like this one. */
const LONG_REAL = '12449771923046400/140737488355328.0';

/** Rows of each table. */
export type RowCounts = Record<string, number>;

/**
 * Creates an embedded database whose plain backup has this many megabytes of SQL, give or take 1%.
 * The same size always gives the same rows. Writes them to D1's SQLite file directly, which takes a
 * fraction of the time.
 */
export async function seed(persistTo: string, megabytes: number): Promise<RowCounts> {
	await migrate(persistTo);
	const database = new DatabaseSync(databaseFile(persistTo));
	database.exec(`PRAGMA journal_mode = DELETE; PRAGMA synchronous = OFF; PRAGMA cache_size = -100000;
		PRAGMA foreign_keys = OFF; BEGIN; ${TABLES.join('; ')}`);
	const counts = insert(database, siteRows(), megabytes * 1e6);
	database.exec(`${INDEXES.join('; ')}; COMMIT`);
	database.close();
	return counts;
}

/** The SQLite file of the embedded database in a folder, with its write-ahead log merged into it. */
export function databaseFile(persistTo: string): string {
	const folder = join(persistTo, 'v3', 'd1', 'miniflare-D1DatabaseObject');
	const name = readdirSync(folder).find((file) => /^[0-9a-f]{64}\.sqlite$/.test(file));
	if (name === undefined) throw new Error(`No database in ${persistTo}.`);
	const file = join(folder, name);
	execFileSync('sqlite3', [file, 'PRAGMA wal_checkpoint(TRUNCATE)']);
	return file;
}

/** Hashes of the tables, and the schema. Two databases with the same contents have the same text. */
export function fingerprint(file: string, counts: RowCounts): string {
	const sums = Object.keys(counts).map((table) => `.sha3sum ${table}`);
	const schema = `SELECT sql FROM sqlite_schema WHERE sql <> '' AND name NOT LIKE '\\_cf\\_%' ESCAPE '\\'
		ORDER BY type, name;`;
	return String(execFileSync('sqlite3', [file, ...sums, schema]));
}

/** Inserts rows until their SQL has this many bytes. */
function insert(database: DatabaseSync, rows: Iterable<Row>, bytes: number): RowCounts {
	const statements = new Map<string, StatementSync>();
	const counts: RowCounts = {};
	let left = bytes;
	for (const [table, values] of rows) {
		if (left <= 0) break;
		const statement = statements.get(table) ?? prepareInsert(database, table, values.length);
		statements.set(table, statement);
		statement.run(...values);
		counts[table] = (counts[table] ?? 0) + 1;
		left -= sqlBytes(values);
	}
	return counts;
}

function prepareInsert(database: DatabaseSync, table: string, columns: number): StatementSync {
	const marks = Array.from({ length: columns }, () => '?');
	return database.prepare(`INSERT INTO ${table} VALUES (${marks.join()})`);
}

function sqlBytes(values: Value[]): number {
	return values.reduce(
		(sum: number, value) => sum + literalBytes(value) + BYTES_PER_VALUE,
		BYTES_PER_ROW,
	);
}

function literalBytes(value: Value): number {
	if (value === null) return 'NULL'.length;
	if (typeof value === 'string') return Buffer.byteLength(value) + "''".length;
	if (typeof value === 'number') return numberBytes(value);
	return 2 * value.length + "X''".length;
}

function numberBytes(value: number): number {
	const { length } = String(value);
	return Number.isInteger(value) || length < 16 ? length : LONG_REAL.length;
}
