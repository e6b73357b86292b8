import { LifeboatError } from '../errors.ts';
import { UNLIMITED } from './budget.ts';
import { d1 } from './database.ts';
import { type Fence, Reader, SnapshotChanged } from './dump/reader.ts';
import { type DumpSummary, type StepEnd, writeStep } from './dump/script.ts';
import type { BackupProgress, BackupStep, Engine } from './index.ts';
import { type Job, printJob, printTicket, TICKET_MS } from './job.ts';
import { ENGINE_VERSION, type Manifest } from './manifest.ts';
import { type BackupKey, hideDigests, signManifest } from './signature.ts';
import { commitManifest, removeAbandoned, removeVolumes, requireUnused } from './storage/bucket.ts';
import type { Encoding } from './storage/codec.ts';
import { tryRepeatedly } from './storage/failure.ts';
import type { Lock } from './storage/lock.ts';
import { VolumeWriter } from './storage/volume.ts';

/** Dumps begun before a database that keeps changing is given up. */
const MAX_ATTEMPTS = 5;
/** The first pause before a new attempt, in milliseconds; each next one is twice as long. */
const FIRST_PAUSE_MS = 500;
/**
 * How long the database's counter of changes is enough to tell that nobody wrote, in milliseconds.
 * It begins anew with the database's object, which an idle one does after 70 seconds or more
 * (Durable Objects > Lifecycle); behind a longer pause the bookmark must be the same too.
 */
const TRUSTED_PAUSE_MS = 60_000;

/** Of a dump that begins, or begins anew. */
export const NOTHING_DONE = { checkpoint: null, volumes: [], bookmark: null };

/**
 * Takes one step of a backup and gives the lock back. A first step that fails takes back what it has
 * stored; a later one that is worth another try leaves the job as it was. Throws what
 * `startBackup` throws.
 */
export async function takeStep(
	engine: Engine,
	lock: Lock,
	job: Job,
	onProgress: (progress: BackupProgress) => void,
): Promise<BackupStep> {
	const { bucket } = engine;
	try {
		onProgress({ event: 'step', name: job.name, step: job.step });
		for (const name of lock.abandoned) await removeAbandoned(bucket, name);
		lock.tidied();
		if (job.step === 1) await requireUnused(bucket, job.name);
		const { end, job: done } = await dumpUndisturbed(engine, lock, job, onProgress);
		if (!('summary' in end)) return await layAside(engine, lock, done);
		const manifest = await commit(engine, done, end.summary);
		await lock.release();
		return { manifest };
	} catch (error) {
		if (await isForAnotherTry(engine, lock, job, error)) throw error;
		const isOthers = error instanceof LifeboatError && error.code === 'backup_exists';
		const cleanUp = () => removeAbandoned(bucket, job.name);
		// A lock that is not given back ends by itself, and whoever takes it then tidies up.
		if (isOthers || (await tryRepeatedly(cleanUp))) await lock.release();
		throw error;
	}
}

/** Dumps until nobody has written meanwhile: what is stored is a state that the database had. */
async function dumpUndisturbed(
	engine: Engine,
	lock: Lock,
	job: Job,
	onProgress: (progress: BackupProgress) => void,
): Promise<{ end: StepEnd; job: Job }> {
	let attempt = job;
	for (;;) {
		try {
			return await dumpStep(engine, lock, attempt, onProgress);
		} catch (error) {
			if (!(error instanceof SnapshotChanged)) throw error;
			if (attempt.attempts === MAX_ATTEMPTS) throw unstable(error);
		}
		attempt = await beginAnew(engine, lock, attempt);
		onProgress({ event: 'restart', attempt: attempt.attempts });
		await engine.sleep(FIRST_PAUSE_MS * 2 ** (attempt.attempts - 2));
	}
}

/** The volumes so far are of a state that is gone. What is said first is that they no longer count. */
async function beginAnew({ bucket, keys = [] }: Engine, lock: Lock, job: Job): Promise<Job> {
	const anew: Job = { ...job, ...NOTHING_DONE, attempts: job.attempts + 1 };
	const [key] = keys;
	if (job.volumes.length > 0 && key) {
		await lock.save(await printJob(key.ticket, anew));
		await removeVolumes(bucket, job.name, []);
	}
	return anew;
}

/** Writes one volume, unless there is nothing to write, and returns what the backup is then. */
async function dumpStep(
	{ database, bucket, sleep, now, budget = UNLIMITED }: Engine,
	lock: Lock,
	job: Job,
	onProgress: (progress: BackupProgress) => void,
): Promise<{ end: StepEnd; job: Job }> {
	const { name, checkpoint, volumes, cost, nextVolume } = job;
	const until = now() + budget.milliseconds;
	const reader = new Reader(d1(database), sleep, {
		fence: fenceOf(job, now()),
		// In case that bookmarks move without a write, which would disturb every attempt.
		watchBookmark: job.attempts < MAX_ATTEMPTS,
	});
	const number = volumes.length === 0 ? 1 : nextVolume;
	const volume = new VolumeWriter(bucket, name, number, job.encoding);
	const script = writeStep(reader, {
		title: title(name),
		from: checkpoint?.dump ?? null,
		mustPause: (queries) =>
			reader.cost.queries + queries >= budget.queries ||
			volume.sqlBytes >= budget.bytes ||
			now() >= until,
		onProgress: (progress) => onProgress({ event: 'rows', ...progress }),
	});
	try {
		let chunk = await script.next();
		while (!chunk.done) {
			await volume.write(chunk.value);
			await lock.renew();
			chunk = await script.next();
		}
		const stored = volume.sqlBytes > 0 ? [await volume.finish()] : [];
		const end = chunk.value;
		const { queries, rowsRead } = reader.cost;
		return {
			end,
			job: {
				...job,
				step: job.step + 1,
				checkpoint:
					'summary' in end ? null : { dump: end.checkpoint, fence: reader.fence, at: now() },
				bookmark: job.bookmark ?? reader.bookmark,
				volumes: [...volumes, ...stored],
				nextVolume: Math.max(nextVolume, number + stored.length),
				cost: { queries: cost.queries + queries, rowsRead: cost.rowsRead + rowsRead },
			},
		};
	} catch (error) {
		await volume.abort();
		throw error;
	}
}

/** A backup that is not done: its next step is anybody's who has the ticket. */
async function layAside(engine: Engine, lock: Lock, job: Job): Promise<BackupStep> {
	const until = engine.now() + TICKET_MS;
	const [key] = engine.keys ?? [];
	if (!key) throw new Error('Tickets need a key.');
	await lock.handOver(until, await printJob(key.ticket, job));
	return ticketFor(key, job, until);
}

/** The answer that has the ticket for a job's next step, good until then. */
export async function ticketFor(key: BackupKey, job: Job, until: number): Promise<BackupStep> {
	const { name, step, volumes, checkpoint } = job;
	const { tables, current } = checkpoint?.dump ?? { tables: [], current: null };
	const sum = (numbers: number[]) => numbers.reduce((total, number) => total + number, 0);
	return {
		resume: await printTicket(key.ticket, { name, step }, until),
		progress: {
			name,
			step: step - 1,
			tables: tables.length,
			rows: sum(tables.map(({ rows }) => rows)) + (current?.digest.rows ?? 0),
			sqlBytes: sum(volumes.map(({ sqlBytes }) => sqlBytes)),
		},
	};
}

/**
 * Whether a failed step may be taken again with its ticket: the job is as it was before then. One
 * that another has taken over is that one's to end.
 */
async function isForAnotherTry(
	{ now }: Engine,
	lock: Lock,
	job: Job,
	error: unknown,
): Promise<boolean> {
	if (error instanceof LifeboatError) {
		if (error.code === 'lock_lost') return true;
		if (!error.retryable || error.code === 'snapshot_unstable') return false;
	}
	if (job.step === 1) return false; // nobody has a ticket
	await tryRepeatedly(() => lock.handOver(now() + TICKET_MS));
	return true;
}

/** What the first query of a step must find, where a step came before. */
function fenceOf({ checkpoint }: Job, now: number): Fence | null {
	if (checkpoint === null) return null;
	const { fence, at } = checkpoint;
	return now - at <= TRUSTED_PAUSE_MS ? fence : { ...fence, needsBookmark: true };
}

/** The moment from which the backup exists. */
async function commit(
	{ bucket, now, keys = [] }: Engine,
	job: Job,
	summary: DumpSummary,
): Promise<Manifest> {
	const { name, startedAt, attempts, bookmark, volumes, cost, encoding } = job;
	const finishedAt = now();
	const plain: Manifest = {
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
		volumes,
		encryption: null,
		warnings: summary.warnings,
		cost: { ...cost, durationMs: finishedAt - startedAt },
		engine: { version: ENGINE_VERSION },
	};
	const manifest = protect(plain, encoding, keys);
	await commitManifest(bucket, manifest);
	// Steps that died may have left volumes of their own.
	const kept = volumes.map(({ key }) => key);
	if (job.step > 2) await tryRepeatedly(() => removeVolumes(bucket, name, kept));
	return manifest;
}

/** As little in it as is needed where the backup is encrypted, and signed. */
function protect(plain: Manifest, { recipients }: Encoding, [key]: readonly BackupKey[]): Manifest {
	if (!key) return plain;
	if (recipients.length === 0) return signManifest(plain, key);
	return signManifest({ ...hideDigests(plain, key), encryption: { recipients } }, key);
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

function title(name: string): string[] {
	const [, startedAt] = /_backup_(.*)$/.exec(name) ?? [];
	return [
		`Lifeboat full backup of D1 database "DB", ${startedAt}`,
		'Restore into an empty database with either of:',
		'  sqlite3 restored.db < FILE',
		'  wrangler d1 execute NEW_DATABASE --remote --file FILE',
	];
}
