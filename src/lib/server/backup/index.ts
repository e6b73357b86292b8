import type { D1Database, R2Bucket, R2Object, R2ObjectBody } from '@cloudflare/workers-types';
import { LifeboatError } from '../errors.ts';
import { d1, type Sleep } from './database.ts';
import { Reader, type ReadingCost, SnapshotChanged } from './dump/reader.ts';
import { type DumpProgress, type DumpSummary, writeScript } from './dump/script.ts';
import {
	backupName,
	ENGINE_VERSION,
	type ListedBackup,
	type Manifest,
	volumeKey,
} from './manifest.ts';
import {
	backupNotFound,
	type ByteRange,
	commitManifest,
	findFile,
	listStored,
	readFile,
	removeAbandoned,
	requireUnused,
} from './storage/bucket.ts';
import { acquireLock, type Lock } from './storage/lock.ts';
import { type StoredVolume, VolumeWriter } from './storage/volume.ts';

/** Dumps begun before a database that keeps changing is given up. */
const MAX_ATTEMPTS = 5;
/** The first pause before a new attempt, in milliseconds; each next one is twice as long. */
const FIRST_PAUSE_MS = 500;
/** Backups of one page of the list. */
const DEFAULT_PAGE = 50;

/** What the engine works with: nothing else is reached for. */
export interface Engine {
	database: D1Database;
	bucket: R2Bucket;
	/** Milliseconds since 1970. */
	now(): number;
	sleep: Sleep;
}

/** What a running backup tells. */
export type BackupProgress =
	| ({ event: 'rows' } & DumpProgress)
	/** The database was written to: the dump starts over after a pause. */
	| { event: 'restart'; attempt: number };

/**
 * Makes a full backup of the database in the bucket and returns its manifest. All or nothing: the
 * manifest is written last, and a backup that fails takes back what it has stored.
 *
 * Throws LifeboatError: `snapshot_unstable` (409) when others kept writing, `backup_running` (409),
 * and what reading and storing throw.
 */
export async function createBackup(
	engine: Engine,
	onProgress: (progress: BackupProgress) => void = () => {},
): Promise<Manifest> {
	const { bucket, now } = engine;
	const startedAt = now();
	const name = backupName('full', new Date(startedAt));
	const lock = await acquireLock(bucket, 'backup', name, now);
	try {
		if (lock.abandoned !== null) await removeAbandoned(bucket, lock.abandoned);
		await requireUnused(bucket, name);
		const dump = await dumpUndisturbed(engine, name, lock, onProgress);
		return await commit(engine, name, startedAt, dump);
	} finally {
		await lock.release();
	}
}

/** One page of the complete backups, newest first; `cursor` is null on the last page. */
export async function listBackups(
	bucket: R2Bucket,
	{
		cursor,
		limit = DEFAULT_PAGE,
	}: { cursor?: string | undefined; limit?: number | undefined } = {},
): Promise<{ backups: ListedBackup[]; cursor: string | null }> {
	const all = await listStored(bucket);
	const start = cursor === undefined ? 0 : all.findIndex((backup) => backup.name === cursor) + 1;
	if (cursor !== undefined && start === 0) throw unknownCursor();
	const backups = all.slice(start, start + limit);
	const more = start + limit < all.length;
	return { backups, cursor: more ? (backups.at(-1)?.name ?? null) : null };
}

/** What is known of a backup's file without reading it. Throws `backup_not_found` (404). */
export async function describeFile(bucket: R2Bucket, fileName: string): Promise<R2Object> {
	const file = await findFile(bucket, fileName);
	if (file === null) throw backupNotFound();
	return file;
}

/** A backup's file as it is stored, or a part of it. Throws `backup_not_found` (404). */
export async function openFile(
	bucket: R2Bucket,
	file: R2Object,
	range?: ByteRange,
): Promise<R2ObjectBody> {
	const object = await readFile(bucket, file.key, file.etag, range);
	if (object === null) throw backupNotFound();
	return object;
}

interface FinishedDump {
	summary: DumpSummary;
	volume: VolumeWriter;
	stored: StoredVolume;
	attempts: number;
	bookmark: string | null;
	cost: ReadingCost;
}

/** Dumps until nobody has written meanwhile: what is stored is a state that the database had. */
async function dumpUndisturbed(
	engine: Engine,
	name: string,
	lock: Lock,
	onProgress: (progress: BackupProgress) => void,
): Promise<FinishedDump> {
	for (let attempt = 1; ; attempt++) {
		try {
			return await dumpOnce(engine, name, lock, attempt, onProgress);
		} catch (error) {
			if (!(error instanceof SnapshotChanged)) throw error;
			if (attempt === MAX_ATTEMPTS) throw unstable(error);
		}
		onProgress({ event: 'restart', attempt: attempt + 1 });
		await engine.sleep(FIRST_PAUSE_MS * 2 ** (attempt - 1));
	}
}

function unstable(cause: SnapshotChanged): LifeboatError {
	return new LifeboatError('The database was written to during every attempt to read it.', {
		code: 'snapshot_unstable',
		status: 409,
		hint: 'Nothing was stored. Try again at a quieter time.',
		retryable: true,
		retryAfter: 60,
		cause,
	});
}

async function dumpOnce(
	{ database, bucket, sleep }: Engine,
	name: string,
	lock: Lock,
	attempt: number,
	onProgress: (progress: BackupProgress) => void,
): Promise<FinishedDump> {
	const reader = new Reader(d1(database), sleep);
	const volume = new VolumeWriter(bucket, volumeKey(name, 1));
	const script = writeScript(reader, {
		title: title(name),
		onProgress: (progress) => onProgress({ event: 'rows', ...progress }),
	});
	try {
		let step = await script.next();
		while (!step.done) {
			await volume.write(step.value);
			await lock.renew();
			step = await script.next();
		}
		return {
			summary: step.value,
			volume,
			stored: await volume.finish(),
			attempts: attempt,
			bookmark: reader.bookmark,
			cost: reader.cost,
		};
	} catch (error) {
		await volume.abort();
		throw error;
	}
}

/** The moment from which the backup exists. */
async function commit(
	{ bucket, now }: Engine,
	name: string,
	startedAt: number,
	{ summary, volume, stored, attempts, bookmark, cost }: FinishedDump,
): Promise<Manifest> {
	const finishedAt = now();
	const manifest: Manifest = {
		format: 1,
		name,
		kind: 'full',
		parent: null,
		database: 'DB',
		startedAt: new Date(startedAt).toISOString(),
		finishedAt: new Date(finishedAt).toISOString(),
		snapshot: { consistency: summary.consistency, attempts, bookmark },
		schema: summary.schema,
		tables: summary.tables,
		volumes: [{ ...stored, sqlBytes: stored.bytes, encodings: [] }],
		encryption: null,
		warnings: summary.warnings,
		cost: { ...cost, durationMs: finishedAt - startedAt },
		engine: { version: ENGINE_VERSION },
	};
	try {
		await commitManifest(bucket, manifest);
	} catch (error) {
		// A backup that is there already keeps its volume, whatever happened to ours.
		const other = error instanceof LifeboatError && error.code === 'backup_exists';
		if (!other) await volume.abort();
		throw error;
	}
	return manifest;
}

function title(name: string): string[] {
	const [, startedAt] = /_backup_(.*)$/.exec(name) ?? [];
	return [
		`Lifeboat full backup of D1 database "DB", ${startedAt}`,
		'Restore into an empty database with either of:',
		'  sqlite3 restored.db < FILE',
		'  wrangler d1 execute NEW_DATABASE --remote --file FILE',
	];
}

function unknownCursor(): LifeboatError {
	return new LifeboatError('This cursor belongs to no backup.', {
		code: 'cursor_unknown',
		status: 400,
		hint: 'Leave the cursor out to begin at the newest backup.',
	});
}
