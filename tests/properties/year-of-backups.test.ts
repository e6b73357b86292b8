import { env } from 'cloudflare:workers';
import { createHash } from 'node:crypto';
import type { R2Bucket } from '@cloudflare/workers-types';
import { beforeEach, expect, test } from 'vitest';
import { createBackup, engine, run } from '../backups.ts';
import { LONG } from '../counts.ts';
import { founded, lived } from '../databases/growing-app.ts';
import { type Snapshot, snapshot } from '../databases/snapshot.ts';
import { d1 } from '../databases/sources.ts';
import { asDrilled, FULL_DAYS, restoredContents, SMALL_SLICES } from '../changing-database.ts';
import { ENCODINGS, key } from '../encodings.ts';
import { reset } from '../reset.ts';
import { formatTable } from '../../src/cli/terminal/text.ts';
import { SLICE_SIZES } from '../../src/lib/server/backup/dump/bounds.ts';
import type { Engine } from '../../src/lib/server/backup/engine.ts';
import { listBackups } from '../../src/lib/server/backup/index.ts';
import { SEED_POLICY } from '../../src/lib/server/backup/keep/policy.ts';
import { pruneNow } from '../../src/lib/server/backup/keep/run.ts';
import { manifestKey } from '../../src/lib/server/backup/format/names.ts';
import { drillBackup } from '../../src/lib/server/backup/prove/prove.ts';

// A year of an app's backups, day by day: a backup each night, the usual retention after it, a drill each
// week. Beside it, full backups of the same days, with the same retention.

const DAY = 86_400_000;
const START = Date.UTC(2026, 0, 1, 4);
const DAYS = LONG ? 365 : 42;
const APP = LONG ? { daily: 40, before: 100 } : { daily: 5, before: 60 };
/** A small database needs smaller slices to have as many. */
const SLICES = LONG ? SLICE_SIZES : SMALL_SLICES;
/** Milliseconds: a day of the whole year takes about a second. */
const TIME_LIMIT = 60_000 + DAYS * 3_000;

/** A drill each week has to be enough for retention to go on. */
const RETENTION = { policy: SEED_POLICY, maxAgeMs: 8 * DAY, record: async () => {} };

/** A bucket, and all that was ever written into it by backups. */
interface World {
	bucket: R2Bucket;
	kind: 'auto' | 'full';
	written: { bytes: number; objects: number };
}

let now = START;

beforeEach(async () => {
	await reset();
	now = START;
});

const engineOn = ({ bucket }: World): Engine =>
	engine({
		...{ bucket, keys: [key], encoding: ENCODINGS.gzip, fullDays: FULL_DAYS },
		...{ sliceSizes: SLICES, now: () => now++ },
	});

/** One night: a backup, a proof of it each week, and retention. Returns the backup's name. */
async function night(world: World, day: number): Promise<string> {
	const { bucket, kind, written } = world;
	const { name } = await createBackup(engineOn(world), undefined, { kind });
	const { bytes, objects } = await sizeOf(bucket, name);
	written.bytes += bytes;
	written.objects += objects;
	if (day % 7 === 0) await prove(world, name);
	await pruneNow(engineOn(world), RETENTION);
	return name;
}

/** Drills a backup; that of a full one is known to be good from other tests, and is only recorded. */
async function prove(world: World, name: string): Promise<void> {
	if (world.kind === 'auto') {
		const proof = await drillBackup(engineOn(world), env.DRILL_DB, manifestKey(name));
		expect(proof).toMatchObject({ proven: true, differences: [] });
		return;
	}
	await asDrilled(engineOn(world), name);
}

/** Objects whose key begins with this, and their bytes. */
async function sizeOf(bucket: R2Bucket, prefix = ''): Promise<{ bytes: number; objects: number }> {
	let [bytes, objects] = [0, 0];
	let cursor: string | undefined;
	do {
		const page = await bucket.list({ prefix, ...(cursor && { cursor }) });
		objects += page.objects.length;
		bytes += page.objects.reduce((sum, { size }) => sum + size, 0);
		cursor = page.truncated ? page.cursor : undefined;
	} while (cursor);
	return { bytes, objects };
}

/**
 * A digest of each part of a database's contents, in any order: a year of contents would not fit in
 * memory.
 */
function digestsOf(contents: Snapshot): Record<string, string> {
	const entries = contents.entries().map(([heading, { columns, rows }]) => {
		const text = [String(columns), ...rows.map(String).sort()].join('\n');
		return [heading, createHash('sha256').update(text).digest('hex')] as const;
	});
	return Object.fromEntries(entries);
}

function report(worlds: [string, World, { bytes: number; objects: number }][]): string {
	const megabytes = (bytes: number) => (bytes / 1e6).toFixed(2);
	const rows = worlds.map(([title, { written }, left]) => [
		...[title, megabytes(written.bytes), written.objects, megabytes(left.bytes), left.objects],
	]);
	const heads = ['backups of a year', 'MB written', 'objects', 'MB at the end', 'objects'];
	return formatTable(heads, rows).join('\n');
}

test(
	'a year of backups takes the room of what has changed, and each that is kept comes back',
	async () => {
		const differentials: World = {
			bucket: env.MY_BUCKET,
			kind: 'auto',
			written: { bytes: 0, objects: 0 },
		};
		const full: World = {
			bucket: env.MY_LOGS_BUCKET,
			kind: 'full',
			written: { bytes: 0, objects: 0 },
		};
		const contents = new Map<string, Record<string, string>>();
		await run(env.DB, ...founded(APP));
		for (let day = 0; day < DAYS; day++) {
			now = START + day * DAY;
			const statements = lived(APP, day);
			if (statements.length > 0) await run(env.DB, ...statements);
			const name = await night(differentials, day);
			contents.set(name, digestsOf(await snapshot(d1(env.DB))));
			await night(full, day);
		}
		const { backups } = await listBackups(engineOn(differentials), { limit: 1000 });
		const names = backups.map((backup) => backup.name);
		for (const { name, parent } of backups) {
			if (parent !== null) expect(names).toContain(parent);
			expect(digestsOf(await restoredContents(name, 'd1'))).toEqual(contents.get(name));
		}
		console.log(
			report([
				['differentials', differentials, await sizeOf(differentials.bucket)],
				['full backups', full, await sizeOf(full.bucket)],
			]),
		);
		expect(differentials.written.bytes).toBeLessThan(full.written.bytes / 2);
	},
	TIME_LIMIT,
);
