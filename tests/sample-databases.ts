import { env } from 'cloudflare:workers';
import { run } from './backups.ts';

// Databases to back up, and the contents of their backups.

/** A database with a few tables that fits into one batch. */
export const small = () =>
	run(
		env.DB,
		`CREATE TABLE a (id INTEGER PRIMARY KEY AUTOINCREMENT, x)`,
		`CREATE TABLE b (k TEXT PRIMARY KEY, a REFERENCES a (id)) WITHOUT ROWID`,
		`CREATE VIRTUAL TABLE ft USING fts5(x)`,
		`INSERT INTO a (x) VALUES (1), ('two'), (x'03')`,
		`INSERT INTO b VALUES ('k', 2)`,
		`INSERT INTO ft VALUES ('hello')`,
	);

/** About 40 kB of SQL per row. */
export const large = (rows: number) =>
	run(
		env.DB,
		`CREATE TABLE blobs (id INTEGER PRIMARY KEY, x BLOB)`,
		`WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < ${rows}) INSERT INTO blobs SELECT i, randomblob(20000) FROM n`,
	);
