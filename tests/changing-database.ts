import { env } from 'cloudflare:workers';
import fc from 'fast-check';
import { expect } from 'vitest';
import { createBackup, engine, run } from './backups.ts';
import { differences, unexpected, withUnixLineEnds } from './databases/compare.ts';
import { type Snapshot, snapshot } from './databases/snapshot.ts';
import { d1, sqlite3 } from './databases/sources.ts';
import { ENCODINGS, type EncodingTitle, key } from './encodings.ts';
import { sleep } from './memory.ts';
import { restoreIntoCopy } from './restore.ts';
import { damagedSlices, describedSlices, parentOf, plainSql } from './slices.ts';
import { disturbed, LARGE } from './staged.ts';
import { d1 as d1Database } from '../src/lib/server/backup/database.ts';
import type { SliceSizes } from '../src/lib/server/backup/dump/bounds.ts';
import type { Budget, Engine } from '../src/lib/server/backup/engine.ts';
import type { Manifest } from '../src/lib/server/backup/format/manifest.ts';
import { manifestKey } from '../src/lib/server/backup/format/names.ts';
import { UNLIMITED } from '../src/lib/server/backup/make/budget.ts';
import { recordProof } from '../src/lib/server/backup/prove/prove.ts';
import { clearDatabase } from '../src/lib/server/backup/restore/contents.ts';

// Backups of a database that changes, and what each of them has to be.

const DAY_MS = 86_400_000;

/** How a backup is made. */
export interface Way {
	/** Whether it has to be staged, because others write. */
	staged: boolean;
	budget: Budget;
	encoding: EncodingTitle;
}

/** A backup, and the database when it was made. */
export interface Kept {
	manifest: Manifest;
	contents: Snapshot;
}

/** Days for which a full backup is the parent of others. */
export const FULL_DAYS = 7;

/** Small slices, so that a small table has many. */
export const SMALL_SLICES: SliceSizes = { least: 1_000, more: 1_000, most: 3_000 };

/** A table that others write to, always the same value. */
export const WRITTEN_TO = [
	'CREATE TABLE written_to (x)',
	'INSERT INTO written_to VALUES (1)',
] as const;

const write = () => run(env.DB, 'UPDATE written_to SET x = x');

const budgets = fc.record({
	queries: fc.integer({ min: 1, max: 60 }),
	bytes: fc.integer({ min: 1, max: 2_300_000 }),
	milliseconds: fc.integer({ min: 1, max: 200 }),
});

/** Ways to make a backup that is stored like this. */
export function ways(encoding: EncodingTitle): fc.Arbitrary<Way> {
	return fc.oneof(
		fc.constant({ encoding, staged: false, budget: UNLIMITED }),
		fc.constant({ encoding, staged: false, budget: LARGE }),
		budgets.map((limits) => ({ encoding, staged: false, budget: { ...UNLIMITED, ...limits } })),
		fc.constantFrom(Number.POSITIVE_INFINITY, 9).map((queries) => ({
			...{ encoding, staged: true, budget: { ...LARGE, queries } },
		})),
	);
}

/** The engine that makes a backup in this way. */
export function engineFor({ encoding, budget, staged }: Way): Engine {
	return engine({
		...{ keys: [key], fullDays: FULL_DAYS, sliceSizes: SMALL_SLICES, budget },
		encoding: ENCODINGS[encoding],
		...(staged && { database: disturbed(env.DB, write) }),
	});
}

/** Backs up the database as it is now. */
export async function keep(way: Way): Promise<Kept> {
	const manifest = await createBackup(engineFor(way));
	if (way.staged) expect(manifest.snapshot.consistency).toBe('staged');
	return { manifest, contents: await snapshot(d1(env.DB)) };
}

/**
 * Fails unless the backup is the full one of the same moment: the same SQL byte for byte, in the same
 * slices, each stored as its manifest says.
 */
export async function expectWhole(
	{ manifest }: Pick<Kept, 'manifest'>,
	sliceSizes = SMALL_SLICES,
): Promise<void> {
	const [slices, sql] = [
		await describedSlices(env.MY_BUCKET, manifest),
		await plainSql(env.MY_BUCKET, manifest.name),
	];
	const full = await fullOf(env.DB, manifest, sliceSizes);
	expect(difference(sql, full.sql)).toBeNull();
	const isHidden = manifest.encryption !== null;
	const shown = (all: typeof slices) =>
		all.map(({ table, rows, sqlBytes, content }) => [table, rows, sqlBytes, isHidden || content]);
	expect(shown(slices)).toEqual(shown(full.slices));
	expect(await damagedSlices(env.MY_BUCKET, slices)).toEqual([]);
}

/** Fails unless a differential may rest on its parent. */
export async function expectFittingParent({ manifest }: Kept): Promise<void> {
	const parent = await parentOf(env.MY_BUCKET, manifest);
	if (parent === null) return;
	const { schema, encryption, startedAt } = manifest;
	expect(parent).toMatchObject({ kind: 'full', schema, encryption, mac: manifest.parentMac });
	const encodings = [parent, manifest].flatMap(({ volumes }) =>
		volumes.map((volume) => String(volume.encodings)),
	);
	expect(new Set(encodings).size).toBe(1);
	const age = Date.parse(startedAt) - Date.parse(parent.startedAt);
	expect(age).toBeLessThanOrEqual(FULL_DAYS * DAY_MS);
}

/** The full backup of a database, made in one call at the time of another backup, and not kept. */
export async function fullOf(
	database: D1Database,
	{ startedAt }: Manifest,
	sliceSizes = SMALL_SLICES,
) {
	const bucket = env.MY_LOGS_BUCKET;
	const now = () => Date.parse(startedAt);
	const manifest = await createBackup(
		engine({ database, bucket, keys: [key], budget: UNLIMITED, sliceSizes, now }),
		undefined,
		{ kind: 'full' },
	);
	expect(manifest.kind).toBe('full');
	const found = {
		manifest,
		slices: await describedSlices(bucket, manifest),
		sql: await plainSql(bucket, manifest.name),
	};
	const { objects } = await bucket.list();
	await bucket.delete(objects.map((object) => object.key));
	return found;
}

/** Says that a drill elsewhere has proven a backup: retention removes nothing while none is proven. */
export async function asDrilled(engine: Engine, name: string): Promise<void> {
	const at = new Date(engine.now()).toISOString();
	await recordProof(engine, manifestKey(name), {
		...{ kind: 'drill', by: 'a test', startedAt: at, finishedAt: at, proven: true },
		...{ scope: 'contents', tables: 0, rows: 0, bytes: 0, differences: [] },
	});
}

/** What a restore of a backup brings back that is not what was there, in words. */
export async function lossesOf(
	{ manifest, contents }: Kept,
	by: 'd1' | 'sqlite3',
): Promise<string[]> {
	const copy = await restoredContents(manifest.name, by);
	const found =
		by === 'd1'
			? differences(contents, copy)
			: differences(withUnixLineEnds(contents), withUnixLineEnds(copy));
	return unexpected(found, manifest.warnings);
}

/** The contents of a database that plain tools have made from a backup: on D1, or in Debian's sqlite3. */
export async function restoredContents(name: string, by: 'd1' | 'sqlite3'): Promise<Snapshot> {
	const sql = await plainSql(env.MY_BUCKET, name);
	if (by === 'sqlite3') return snapshot(sqlite3(env.WITNESS, sql));
	await clearDatabase(d1Database(env.COPY), sleep);
	await restoreIntoCopy(new TextDecoder('utf-8', { ignoreBOM: true }).decode(sql));
	return snapshot(d1(env.COPY));
}

/** Where two texts differ first, with what is there; null if they are the same. */
function difference(actual: Uint8Array, expected: Uint8Array): string | null {
	const at = expected.findIndex((byte, index) => actual[index] !== byte);
	if (at === -1 && actual.length === expected.length) return null;
	const start = at === -1 ? expected.length : at;
	const around = (text: Uint8Array) =>
		JSON.stringify(new TextDecoder().decode(text.subarray(Math.max(0, start - 80), start + 80)));
	return `at ${start} of ${expected.length}: ${around(expected)}, but here ${around(actual)}`;
}
