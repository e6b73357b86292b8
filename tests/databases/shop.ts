import { type Sql, sql } from './sql.ts';
import { counting, long } from './values.ts';

/** A database of a shop, small, with an object of each kind. */
export const SHOP: Sql[] = [
	['CREATE TABLE users (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, score REAL)'],
	['CREATE TABLE orders (id INTEGER PRIMARY KEY, user REFERENCES users (id), content BLOB)'],
	[`${counting(200)} INSERT INTO users (name, score) SELECT 'user ' || i, i / 7.0 FROM counting`],
	[`${counting(300)} INSERT INTO orders SELECT i, i % 200 + 1, randomblob(10) FROM counting`],
	sql`INSERT INTO orders VALUES (999, 1, ${long(120_000, Uint8Array.of(1, 2, 3))})`,
	['CREATE INDEX by_user ON orders (user)'],
	[`CREATE VIEW names AS SELECT name FROM users`],
	[`CREATE TRIGGER gone AFTER DELETE ON users BEGIN DELETE FROM orders WHERE user = old.id; END`],
];

/** Few rows that differ, so that the next backup is a differential. */
export const SALE: Sql[] = [
	[`UPDATE users SET score = 0.5 WHERE id = 77`],
	[`INSERT INTO orders VALUES (1000, 5, NULL)`],
];
