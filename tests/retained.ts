import { createHash } from 'node:crypto';
import { env } from 'cloudflare:workers';
import type { R2Bucket } from '@cloudflare/workers-types';
import { engine } from './backups.ts';
import { key } from './encodings.ts';
import type { Engine } from '../src/lib/server/backup/engine.ts';
import type { Manifest } from '../src/lib/server/backup/format/manifest.ts';
import { backupName, sliceListKey, volumeKey } from '../src/lib/server/backup/format/names.ts';
import { WORKER } from '../src/lib/server/backup/format/proof.ts';
import { type BackupKey, signManifest } from '../src/lib/server/backup/format/signature.ts';
import type { Retention } from '../src/lib/server/backup/keep/outlook.ts';
import type { Rules } from '../src/lib/server/backup/keep/policy.ts';
import { pruneNow } from '../src/lib/server/backup/keep/run.ts';
import { commitManifest, storeProof } from '../src/lib/server/backup/storage/bucket.ts';

// Backups with little in them, as retention sees them: signed manifests, files and proofs of any time.

export const HOUR = 3_600_000;
export const DAY = 24 * HOUR;
/** When tests of retention take place, unless they say otherwise. */
export const NOW = Date.UTC(2026, 10, 27, 12);
const MAX_AGE = 48 * HOUR;

const NO_RULES: Rules = {
	...{ last: 0, hourly: 0, daily: 0, weekly: 0, monthly: 0, yearly: 0 },
	within: null,
};

/** What a backup is like; by default full, signed by the app, and drilled an hour later. */
export interface Like {
	parent?: string;
	signer?: BackupKey | null;
	/** Whether a drill has proven it; null for none. */
	drilled?: boolean | null;
	bucket?: Engine['bucket'];
	/** What the app calls the database. */
	database?: string;
	/** Volumes; each has a byte more than the last. */
	volumes?: number;
}

/** The engine of the app, at this time. */
export function engineAt(now: number, changes: Partial<Engine> = {}): Engine {
	return engine({ keys: [key], now: () => now, ...changes });
}

/** Stores a backup that started at this time, and returns its name. */
export async function store(startedAt: number, like: Like = {}): Promise<string> {
	const { parent = null, signer = key, drilled = true, bucket = env.MY_BUCKET } = like;
	const { database = 'main' } = like;
	const kind = parent === null ? 'full' : 'incremental';
	const name = backupName(kind, new Date(startedAt));
	const bodies = Array.from({ length: like.volumes ?? 1 }, (_, index) => `--${'-'.repeat(index)}`);
	const volumes = bodies.map((body, index) => volumeOf(volumeKey(name, index + 1), body));
	for (const [index, { key }] of volumes.entries()) await bucket.put(key, bodies[index] ?? '');
	if (parent !== null) await bucket.put(sliceListKey(name), '');
	const manifest = manifestOf({ name, kind, parent, startedAt, volumes, database });
	const signed = signer ? signManifest(manifest, signer) : manifest;
	const context = { bucket, sleep: async () => {}, signer };
	await commitManifest(context, signed);
	if (drilled !== null) await storeProof(context, drillOf(name, startedAt + HOUR, drilled));
	return name;
}

/** Backups of so many days, one a day, the newest half a day old. */
export async function storeDays(days: number, like: Like = {}, now = NOW): Promise<string[]> {
	const names: string[] = [];
	for (let day = 0; day < days; day++) names.push(await store(now - DAY / 2 - day * DAY, like));
	return names;
}

/** A proof by drill that ended at this time. */
export function drillOf(backup: string, at: number, proven = true) {
	const time = new Date(at).toISOString();
	return {
		...{ format: 1 as const, backup, kind: 'drill' as const, by: WORKER },
		...{ startedAt: time, finishedAt: time, proven, scope: 'contents' as const },
		...{ tables: 0, rows: 0, bytes: 0, differences: proven ? [] : ['It differs.'] },
		engine: { version: '0.1.0' },
	};
}

/** What retention works with, and what it has written to the audit log, such as `mark <name>`. */
export function retention(
	rules: Partial<Rules> | null,
	{ maxPercent = 100, minDays = 0, maxAgeMs = MAX_AGE } = {},
): Retention & { log: string[] } {
	const log: string[] = [];
	return {
		policy: { rules: rules && { ...NO_RULES, ...rules }, minDays, maxPercent },
		maxAgeMs,
		log,
		async record(operation, backups) {
			log.push(...backups.map((name) => `${operation} ${name}`));
		},
	};
}

/** A run of prune at this time; `last` backups stay. */
export function pruneAt(now: number, last: number, changes: Partial<Engine> = {}) {
	return pruneNow(engineAt(now, changes), retention({ last }));
}

/** The names of all objects that belong to a backup, or to what retention keeps. */
export async function objectsOf(bucket: R2Bucket = env.MY_BUCKET): Promise<string[]> {
	const keys: string[] = [];
	let cursor: string | undefined;
	do {
		const page = await bucket.list(cursor === undefined ? {} : { cursor });
		keys.push(...page.objects.map(({ key }) => key));
		cursor = page.truncated ? page.cursor : undefined;
	} while (cursor !== undefined);
	return keys.filter((key) => /_backup_|^keep\//.test(key));
}

/** The objects of one backup. */
export async function filesOf(name: string, bucket?: R2Bucket): Promise<string[]> {
	return (await objectsOf(bucket)).filter((key) => key.startsWith(`${name}.`));
}

function volumeOf(key: string, body: string): Manifest['volumes'][number] {
	const sha256 = createHash('sha256').update(body).digest('hex');
	return { key, bytes: body.length, sqlBytes: body.length, sha256, encodings: [] };
}

function manifestOf(
	given: Pick<Manifest, 'name' | 'kind' | 'parent' | 'volumes' | 'database'> & {
		startedAt: number;
	},
): Manifest {
	const time = new Date(given.startedAt).toISOString();
	const sha256 = '0'.repeat(64);
	return {
		...given,
		...{ format: 1, startedAt: time, finishedAt: time },
		snapshot: { consistency: 'atomic', attempts: 1, bookmark: null },
		schema: { objects: 0, sha256 },
		...{ tables: [], encryption: null, warnings: [] },
		cost: { queries: 1, rowsRead: 0, durationMs: 1 },
		engine: { version: '0.1.0' },
	};
}
