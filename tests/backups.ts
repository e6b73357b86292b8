import { env } from 'cloudflare:workers';
import type { D1Database } from '@cloudflare/workers-types';
import { resumeBackup, startBackup } from '../src/lib/server/backup/index.ts';
import { type Engine, type BackupProgress } from '../src/lib/server/backup/engine.ts';
import type { Manifest } from '../src/lib/server/backup/format/manifest.ts';
import { SLICE_SIZES } from '../src/lib/server/backup/dump/bounds.ts';
import { UNLIMITED } from '../src/lib/server/backup/make/budget.ts';
import { isTombstone } from '../src/lib/server/backup/storage/tombstone.ts';
import { ENCODINGS } from './encodings.ts';

// Whole and damaged backups in the test bucket.

/** The engine's clock: each reading is a millisecond later than the last. */
export const clock = { now: Date.UTC(2026, 10, 22) };

/** One call, but a database need not be large for pages and fences. */
export const PAGED = { ...UNLIMITED, atomicBytes: 1_000_000 };

/**
 * The engine on the test bindings: one call makes a plain backup, signed with the first key if there is
 * one.
 */
export function engine(changes: Partial<Engine> = {}): Engine {
	return {
		database: env.DB,
		name: 'main',
		bucket: env.MY_BUCKET,
		encoding: ENCODINGS.plain,
		signer: changes.keys?.[0] ?? null,
		keys: [],
		budget: PAGED,
		fullDays: 0,
		sliceSizes: SLICE_SIZES,
		stageMaxBytes: 100_000_000,
		warnings: [],
		now: () => clock.now++,
		sleep: async () => {},
		...changes,
	};
}

/** Makes a backup in as many steps as the engine's budget requires. */
export async function createBackup(
	engine: Engine,
	onProgress?: (progress: BackupProgress) => void,
	choice?: Parameters<typeof startBackup>[2],
): Promise<Manifest> {
	let step = await startBackup(engine, onProgress, choice);
	while ('resume' in step) step = await resumeBackup(engine, step.resume, onProgress);
	return step.manifest;
}

/** Runs statements in one batch. */
export const run = (database: D1Database, ...statements: string[]) =>
	database.batch(statements.map((sql) => database.prepare(sql)));

/** Backs up a database with tables that refer to each other, a trigger and a full-text index. */
export async function backUp(changes: Partial<Engine> = {}): Promise<string> {
	await run(
		env.DB,
		`CREATE TABLE a (id INTEGER PRIMARY KEY AUTOINCREMENT, x)`,
		`CREATE TABLE b (k TEXT PRIMARY KEY, a REFERENCES a (id)) WITHOUT ROWID`,
		`CREATE VIRTUAL TABLE ft USING fts5(x)`,
		`INSERT INTO a (x) VALUES (1), ('two'), (x'03'), (9007199254740993), (0.1)`,
		`INSERT INTO b VALUES ('k', 2)`,
		`INSERT INTO ft VALUES ('hello')`,
		`CREATE TRIGGER t AFTER INSERT ON a BEGIN INSERT INTO ft VALUES (new.x); END`,
	);
	return (await createBackup(engine(changes))).name;
}

/** The keys of all objects in the bucket except tombstones, which stay for a day. */
export async function keys(): Promise<string[]> {
	const { objects } = await env.MY_BUCKET.list({ include: ['customMetadata'] });
	return objects.filter((object) => !isTombstone(object)).map(({ key }) => key);
}

/** Removes all objects, including tombstones, which would slow down every later listing. */
export async function emptyBucket(): Promise<void> {
	const { objects } = await env.MY_BUCKET.list();
	await env.MY_BUCKET.delete(objects.map(({ key }) => key));
}

/** The whole database as text, without the tables of D1 and SQLite themselves. */
export async function contents(database: D1Database): Promise<string> {
	const objects = await database
		.prepare(
			`SELECT * FROM sqlite_schema WHERE name NOT LIKE '\\_cf%' ESCAPE '\\' AND name <> 'sqlite_sequence' ORDER BY name`,
		)
		.all<{ type: string; name: string }>();
	const rows = objects.results
		.filter(({ type }) => type === 'table')
		.map(({ name }) => database.prepare(`SELECT * FROM "${name}"`).all());
	return JSON.stringify([objects.results, (await Promise.all(rows)).map(({ results }) => results)]);
}

/** Edits a stored object in place. */
export async function change(key: string, edit: (bytes: Uint8Array) => Uint8Array): Promise<void> {
	const bytes = (await (await env.MY_BUCKET.get(key))?.bytes()) ?? new Uint8Array();
	await env.MY_BUCKET.put(key, edit(bytes));
}

/** A copy of the bytes with one bit flipped. */
export function flipBit(bytes: Uint8Array, bit: number): Uint8Array {
	return bytes.map((byte, index) => (index === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte));
}
