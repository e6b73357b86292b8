import { env } from 'cloudflare:workers';
import type { Engine } from '../src/lib/server/backup/engine.ts';
import type { Manifest } from '../src/lib/server/backup/format/manifest.ts';
import { createBackup, engine } from './backups.ts';
import { apply, type Sql } from './databases/sql.ts';
import { counting } from './databases/values.ts';
import { ENCODINGS, type EncodingTitle, key } from './encodings.ts';
import { reset } from './reset.ts';

// Differentials in the test bucket, and the full backups on which they rest.

/** A database of about ten slices. */
export const POSTS: readonly Sql[] = [
	['CREATE TABLE posts (id INTEGER PRIMARY KEY, title TEXT, body TEXT)'],
	['CREATE TABLE tags (name TEXT PRIMARY KEY, posts INT) WITHOUT ROWID'],
	[
		`${counting(2000)} INSERT INTO posts SELECT i, 'Post ' || i, hex(randomblob(180)) FROM counting`,
	],
	[`${counting(50)} INSERT INTO tags SELECT 'tag ' || i, i FROM counting`],
];

/** Changes of few of its rows. */
export const CHANGES: readonly Sql[] = [
	[`UPDATE posts SET title = 'changed' WHERE id = 1000`],
	[`INSERT INTO posts VALUES (3000, 'new', 'x')`],
];

/** A full backup, and a differential that rests on it. */
export interface Pair {
	full: Manifest;
	differential: Manifest;
}

/** The engine on the test bindings, which makes signed differentials for a week. */
export function differentialEngine(
	encoding: EncodingTitle = 'gzip',
	changes: Partial<Engine> = {},
): Engine {
	return engine({
		...{ encoding: ENCODINGS[encoding], keys: [key], fullDays: 7, now: Date.now },
		...changes,
	});
}

/** Recreates the database DB, backs it up, changes it, and backs it up again. */
export async function backUpTwice(
	encoding: EncodingTitle = 'gzip',
	{
		statements = POSTS,
		changes = CHANGES,
		...settings
	}: { statements?: readonly Sql[]; changes?: readonly Sql[] } & Partial<Engine> = {},
): Promise<Pair> {
	await reset();
	await apply(env.DB, statements);
	const full = await createBackup(differentialEngine(encoding, settings));
	await apply(env.DB, changes);
	const differential = await createBackup(differentialEngine(encoding, settings));
	if (differential.parent !== full.name) throw new Error('This is not a differential.');
	return { full, differential };
}
