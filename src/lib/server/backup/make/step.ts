import { LifeboatError } from '../../errors.ts';
import { UNLIMITED } from './budget.ts';
import { commit } from './commit.ts';
import { d1 } from '../database.ts';
import { type Fence, Reader, SnapshotChanged } from '../dump/reader.ts';
import { type StepEnd, writeStep } from '../dump/script.ts';
import type { Engine, BackupProgress, BackupStep } from '../engine.ts';
import { doubtful, type Job, printJob, printTicket, TICKET_MS } from './job.ts';
import { type Manifest } from '../format/manifest.ts';
import { manifestKey, backupOfFile } from '../format/names.ts';
import type { BackupKey } from '../format/signature.ts';
import { requireUnused } from '../storage/bucket.ts';
import { tryRepeatedly } from '../storage/failure.ts';
import { giveUp, removeLeftovers, removeStrays } from '../storage/leftovers.ts';
import { type HeldLock, type Lock, takeUpLock } from '../storage/lock.ts';
import { buryBackup } from '../storage/tombstone.ts';
import { VolumeWriter } from '../storage/volume.ts';

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
	try {
		onProgress({ event: 'step', name: job.name, step: job.step });
		if (job.step === 1) {
			await cleanUp(engine, lock);
			await requireUnused(engine.bucket, job.name);
		}
		const { end, job: done } = await dumpUndisturbed(engine, lock, job, onProgress);
		if (!('summary' in end)) return await layAside(engine, lock, done);
		const manifest = await commit(engine, lock, done, end.summary);
		await finish(engine, lock, manifest);
		return { manifest };
	} catch (error) {
		if (await isForAnotherTry(engine, lock, job, error)) throw error;
		const manifest = await withdraw(engine, lock, job, error);
		if (manifest) return { manifest };
		throw error;
	}
}

/**
 * Ends what a Worker has left undone that died behind its manifest. One that may be alive is left
 * to it.
 */
export async function finishCommitted(
	engine: Engine,
	held: HeldLock,
	manifest: Manifest,
	onProgress: (progress: BackupProgress) => void,
): Promise<void> {
	try {
		const lock = await takeUpLock(engine, 'backup', held);
		onProgress({ event: 'step', name: manifest.name, step: lock.tries });
		await finish(engine, lock, manifest);
	} catch (error) {
		if (!(error instanceof LifeboatError)) throw error;
	}
}

/** Removes what dead backups have left. Never the reason why a backup fails. */
async function cleanUp(engine: Engine, lock: Lock): Promise<void> {
	const names = lock.abandoned.filter((name) => backupOfFile(manifestKey(name)) === name);
	const buried = await tryRepeatedly(async () => {
		for (const name of names) await buryBackup(engine, name);
	});
	if (buried) lock.buried();
	await removeLeftovers(engine.bucket, engine.keys ?? [], engine.now());
}

/** Behind the commit: removes what other tries of the backup have stored, and gives the lock back. */
async function finish({ bucket }: Engine, lock: Lock, manifest: Manifest): Promise<void> {
	// Each try has stored one volume at most.
	const mayHaveStrays = manifest.volumes.length < lock.tries;
	if (mayHaveStrays) await tryRepeatedly(() => removeStrays(bucket, manifest));
	await lock.release();
}

/**
 * Withdraws a backup that failed for good. Returns its manifest if another Worker has committed it
 * meanwhile, else null. A lock that cannot be released expires; it names its backup, so the next
 * holder can clean up.
 */
async function withdraw(
	engine: Engine,
	lock: Lock,
	job: Job,
	error: unknown,
): Promise<Manifest | null> {
	if (error instanceof LifeboatError && error.code === 'backup_exists') {
		await lock.release(); // what is there is another's
		return null;
	}
	let manifest: Manifest | null = null;
	const isDone = await tryRepeatedly(async () => {
		manifest = await giveUp(engine, job.name, engine.keys ?? []);
	});
	if (isDone) await lock.release();
	return manifest;
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

/**
 * The volumes so far are of a state that is gone, and no longer count. They stay until the manifest
 * is written: a Worker that was taken for dead might still come to commit them.
 */
async function beginAnew({ keys = [] }: Engine, lock: Lock, job: Job): Promise<Job> {
	const anew: Job = { ...job, ...NOTHING_DONE, attempts: job.attempts + 1 };
	const [key] = keys;
	if (job.volumes.length > 0 && key) await lock.save(await printJob(key, anew));
	return anew;
}

/** Writes one volume, unless there is nothing to write, and returns what the backup is then. */
async function dumpStep(
	engine: Engine,
	lock: Lock,
	job: Job,
	onProgress: (progress: BackupProgress) => void,
): Promise<{ end: StepEnd; job: Job }> {
	const { database, sleep, now, budget = UNLIMITED } = engine;
	const { name, checkpoint, volumes, cost } = job;
	const until = now() + budget.milliseconds;
	const reader = new Reader(d1(database), sleep, {
		fence: fenceOf(job, now()),
		// In case that bookmarks move without a write, which would disturb every attempt.
		watchBookmark: job.attempts < MAX_ATTEMPTS,
	});
	const volume = new VolumeWriter(engine, name, lock.tries, job.encoding);
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
	await lock.handOver(until, await printJob(key, job));
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
	{ now, keys = [] }: Engine,
	lock: Lock,
	job: Job,
	error: unknown,
): Promise<boolean> {
	if (error instanceof LifeboatError) {
		if (error.code === 'lock_lost') return true; // nothing of it is this one's to remove
		if (!error.retryable || error.code === 'snapshot_unstable') return false;
	}
	const [key] = keys;
	if (job.step === 1 || !key) return false; // nobody has a ticket
	await tryRepeatedly(async () =>
		lock.handOver(now() + TICKET_MS, await printJob(key, doubtful(job))),
	);
	return true;
}

/** What the first query of a step must find, where a step came before. */
function fenceOf({ checkpoint }: Job, now: number): Fence | null {
	if (checkpoint === null) return null;
	const { fence, at } = checkpoint;
	return now - at <= TRUSTED_PAUSE_MS ? fence : { ...fence, needsBookmark: true };
}

function unstable(cause: SnapshotChanged): LifeboatError {
	return new LifeboatError('The database was written to during every attempt to read it.', {
		code: 'snapshot_unstable',
		status: 409,
		hint: 'Nothing was stored. Try again at a quieter time. If it is quiet, `npm run doctor` tells whether backups can rely on the database.',
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
