import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { SqliteDatabase } from '../src/cli/embedded/sqlite-database.ts';
import type { Engine } from '../src/lib/server/backup/engine.ts';
import type { Manifest } from '../src/lib/server/backup/format/manifest.ts';
import { backupOfFile } from '../src/lib/server/backup/format/names.ts';
import { deriveKey } from '../src/lib/server/backup/format/signature.ts';
import { resumeBackup, startBackup } from '../src/lib/server/backup/index.ts';
import { UNLIMITED } from '../src/lib/server/backup/make/budget.ts';
import type { Encoding } from '../src/lib/server/backup/storage/codec.ts';
import type { D1Database } from '../src/lib/server/platform.ts';
import { SimulatedBucket } from './simulation/bucket.ts';

// A full backup and a differential in a folder, made by the engine without an app.

/** The query that tells it from that of the full backup, and its result. */
export const CHANGED = `SELECT count(*), sum(name = 'changed') FROM users`;
export const CHANGED_RESULT = '401|1';

const STATEMENTS = [
	'CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT, bio TEXT)',
	`WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 400)
		INSERT INTO users SELECT i, 'user ' || i, hex(randomblob(40)) FROM n`,
];
const CHANGES = [
	`UPDATE users SET name = 'changed' WHERE id = 200`,
	`INSERT INTO users VALUES (1000, 'new', NULL)`,
];
/** So small that few rows make many slices. */
const SLICE_SIZES = { least: 2_000, more: 2_000, most: 6_000 };

/** A full backup, and a differential that rests on it. */
export interface StoredPair {
	full: Manifest;
	differential: Manifest;
}

/** How to store them; `inSteps` makes several volumes of each. */
export interface StoreOptions {
	macKey: string;
	encoding?: Encoding;
	inSteps?: boolean;
}

/** Makes the backups, and writes their files into a folder. */
export async function storePair(folder: string, options: StoreOptions): Promise<StoredPair> {
	const bucket = new SimulatedBucket();
	using connection = new DatabaseSync(':memory:');
	const engine = engineOn(connection, bucket, options);
	for (const sql of STATEMENTS) connection.exec(sql);
	const full = await create(engine);
	for (const sql of CHANGES) connection.exec(sql);
	const differential = await create(engine);
	if (differential.parent !== full.name) throw new Error('This is not a differential.');
	for (const [key, { bytes }] of bucket.objects) {
		if (backupOfFile(key) !== null) writeFileSync(join(folder, key), bytes);
	}
	return { full, differential };
}

async function create(engine: Engine): Promise<Manifest> {
	let step = await startBackup(engine);
	while ('resume' in step) step = await resumeBackup(engine, step.resume);
	return step.manifest;
}

function engineOn(
	connection: DatabaseSync,
	bucket: SimulatedBucket,
	{ macKey, encoding = { compression: 'gzip', recipients: [] }, inSteps = false }: StoreOptions,
): Engine {
	const key = deriveKey(Buffer.from(macKey));
	let time = Date.UTC(2026, 10, 22, 21, 52);
	const now = () => time++;
	const gate = async <T>(call: () => T) => call();
	const several = { ...UNLIMITED, bytes: 15_000, atomicBytes: 0 };
	return {
		...{ database: asD1(connection), name: 'DB', bucket: bucket.binding(gate, now), encoding },
		...{ signer: key, keys: [key], budget: inSteps ? several : UNLIMITED, fullDays: 7 },
		...{ sliceSizes: SLICE_SIZES, stageMaxBytes: 0, warnings: [], now, sleep: async () => {} },
	};
}

/** The part of a D1 binding that the engine calls. */
function asD1(connection: DatabaseSync): D1Database {
	const database = new SqliteDatabase(connection);
	return {
		withSession: () => ({
			prepare: (sql) => new String(sql),
			batch: async <Row>(statements: object[]) => {
				const { results } = await database.batch(statements.map(String));
				return results.map(({ results: rows, meta }) => ({ results: rows as Row[], meta }));
			},
			getBookmark: () => null,
		}),
	};
}
