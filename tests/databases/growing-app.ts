import { counting } from './values.ts';

/*
 * An app that people use: it grows, changes what is new, forgets what is old, and is migrated now and then.
 * Everything follows from the number of the day.
 */

export interface Size {
	/** Rows of each kind on a usual day. */
	daily: number;
	/** Days that it has been in use before the first one. */
	before: number;
}

/** Days for which the app keeps its log. */
const LOG_DAYS = 60;
const SESSION_DAYS = 7;
const TABLES = [
	`CREATE TABLE members (id TEXT PRIMARY KEY, name TEXT NOT NULL, since INTEGER NOT NULL)`,
	`CREATE TABLE posts (id INTEGER PRIMARY KEY, member TEXT REFERENCES members (id) ON DELETE CASCADE,
		title TEXT NOT NULL, body TEXT NOT NULL, views INTEGER NOT NULL DEFAULT 0, day INTEGER NOT NULL)`,
	`CREATE TABLE log (id INTEGER PRIMARY KEY AUTOINCREMENT, day INTEGER NOT NULL, path TEXT NOT NULL, agent TEXT)`,
	`CREATE TABLE sessions (token TEXT PRIMARY KEY, member TEXT NOT NULL, expires INTEGER NOT NULL) WITHOUT ROWID`,
	`CREATE TABLE prices (product INTEGER, currency TEXT, amount REAL NOT NULL, checked INTEGER,
		PRIMARY KEY (product, currency)) WITHOUT ROWID`,
	`CREATE VIRTUAL TABLE posts_search USING fts5(title, body, content='posts', content_rowid='id')`,
	`CREATE TRIGGER posts_added AFTER INSERT ON posts BEGIN
		INSERT INTO posts_search (rowid, title, body) VALUES (new.id, new.title, new.body); END`,
	`CREATE TRIGGER posts_removed AFTER DELETE ON posts BEGIN
		INSERT INTO posts_search (posts_search, rowid, title, body) VALUES ('delete', old.id, old.title, old.body); END`,
	'CREATE INDEX log_day ON log (day)',
];

/** Statements that make the app's database, as it is after some days of use. */
export function founded({ daily, before }: Size): string[] {
	const prices = `${counting(20 * daily)} INSERT INTO prices
		SELECT i, c.value, ${hash('i')} % 10000 / 100.0, 0 FROM counting, json_each('["EUR","USD","SEK"]') AS c`;
	const days = Array.from({ length: before }, (_, day) => used(daily, day - before));
	return [...TABLES, prices, ...days.flat()];
}

/** Statements of a day, numbered from 0. */
export function lived({ daily }: Size, day: number): string[] {
	if (day % 7 === 6) return []; // closed on Sundays
	const migrations: Record<number, string> = {
		45: 'ALTER TABLE posts ADD COLUMN language TEXT',
		130: 'CREATE INDEX posts_day ON posts (day)',
		222: `ALTER TABLE members ADD COLUMN plan TEXT NOT NULL DEFAULT 'free'`,
		300: 'CREATE VIEW popular AS SELECT id, title FROM posts WHERE views > 100',
	};
	const migration = migrations[day];
	return [...(migration ? [migration] : []), ...used(daily, day), ...monthly(day)];
}

/** What people and the app's own jobs do on a usual day. */
function used(daily: number, day: number): string[] {
	const members = '(SELECT count(*) FROM members)';
	const member = (of: string) =>
		`(SELECT id FROM members WHERE rowid = 1 + ${hash(of)} % ${members})`;
	const at = `${day + 1000} * 1000 + i`;
	return [
		`${counting(Math.ceil(daily / 10))} INSERT INTO members (id, name, since)
			SELECT ${random(at)}, 'member ' || (${at}), ${day} FROM counting`,
		`${counting(daily)} INSERT INTO posts (member, title, body, day)
			SELECT ${member(at)}, 'Post ' || i || ' of day ${day}', ${prose(at)}, ${day} FROM counting`,
		`${counting(4 * daily)} INSERT INTO log (day, path, agent)
			SELECT ${day}, '/posts/' || ${hash(at)} % 1000, ${random(at)} FROM counting`,
		`${counting(2 * daily)} INSERT OR IGNORE INTO sessions
			SELECT ${random(at)}, ${member(at)}, ${day + SESSION_DAYS} FROM counting`,
		`UPDATE posts SET views = views + 1 + ${hash('id')} % 9 WHERE day > ${day - 10}`,
		`UPDATE posts SET body = body || ' edited' WHERE id IN (SELECT 1 + ${hash(at)} % (SELECT max(id) FROM posts) FROM (SELECT ${day} AS i))`,
		`DELETE FROM sessions WHERE expires < ${day}`,
		`DELETE FROM log WHERE day < ${day - LOG_DAYS}`,
	];
}

/** All prices change once a month, and some members leave. */
function monthly(day: number): string[] {
	if (day % 30 !== 11) return [];
	return [
		`UPDATE prices SET amount = round(amount * 1.01, 2), checked = ${day}`,
		`DELETE FROM members WHERE rowid % 97 = ${day % 97}`,
	];
}

/** A number that looks random, from an expression. */
function hash(of: string): string {
	return `((${of}) * 2654435761 % 4294967291 / 7)`;
}

/** A key that does not compress. */
function random(of: string): string {
	const part = (factor: number) => `printf('%08x', (${of}) * ${factor} % 4294967291)`;
	return `${part(2654435761)} || ${part(2246822519)} || ${part(3266489917)} || ${part(668265263)}`;
}

const WORDS = `'["the","boat","harbour","storm","a","keeps","of","sailor","rope","and","sea","water","light","calm","north","crew"]'`;

/** Some words, different for each post. */
function prose(of: string): string {
	return `(SELECT group_concat(w.value || char(97 + (${of}) * (w.key + 3) % 23), ' ') || ' ' || ${random(of)}
		FROM json_each(${WORDS}) AS w WHERE ((${of}) * (w.key + 7) % 5) < 4)`;
}
