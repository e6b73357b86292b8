import { LifeboatError } from '../../errors.ts';
import { d1, retrying } from '../database.ts';
import { SnapshotChanged } from '../dump/reader.ts';
import { dropStage } from '../dump/stage/make.ts';
import type { BackupStep, Engine, ReportProgress } from '../engine.ts';
import type { Manifest } from '../format/manifest.ts';
import { backupOfFile, manifestKey } from '../format/names.ts';
import { requireUnused } from '../storage/bucket.ts';
import { tryRepeatedly } from '../storage/failure.ts';
import { giveUp, removeLeftovers, removeStrays } from '../storage/leftovers.ts';
import { type HeldLock, type Lock, takeUpLock } from '../storage/lock.ts';
import { buryBackup } from '../storage/tombstone.ts';
import { commit } from './commit.ts';
import { type DumpedStep, dumpStep, FENCED_ATTEMPTS, MAX_ATTEMPTS } from './dump-step.ts';
import { doubtful, type Job, NOTHING_DONE, printJob, ticketFor, TICKET_MS } from './job.ts';

/** The first pause before a new attempt, in milliseconds; each next one is twice as long. */
const FIRST_PAUSE_MS = 500;

/**
 * Takes one step of a backup and gives the lock back. If a first step fails, everything that it stored
 * is removed; if a later one fails and is worth another try, the job stays as it was. Throws what
 * `startBackup` throws.
 */
export async function takeStep(
	engine: Engine,
	lock: Lock,
	job: Job,
	onProgress: ReportProgress,
): Promise<BackupStep> {
	try {
		onProgress({ event: 'step', name: job.name, step: job.step });
		if (job.step === 1) {
			await cleanUp(engine, lock);
			await requireUnused(engine.bucket, job.name);
		}
		const { end, job: done } = await dumpUndisturbed(engine, lock, job, onProgress);
		if (!('summary' in end)) return await pause(engine, lock, done);
		const manifest = await commit(engine, lock, done, end.summary);
		await finish(engine, lock, manifest);
		return { manifest };
	} catch (error) {
		if (await mayTryAgain(engine, lock, job, error)) throw error;
		const manifest = await withdraw(engine, lock, job, error);
		if (manifest) return { manifest };
		throw error;
	}
}

/** Completes a backup whose Worker died after it had written the manifest, unless it may be alive. */
export async function finishCommitted(
	engine: Engine,
	held: HeldLock,
	manifest: Manifest,
	onProgress: ReportProgress,
): Promise<void> {
	try {
		const lock = await takeUpLock(engine, 'backup', held);
		onProgress({ event: 'step', name: manifest.name, step: lock.tries });
		await finish(engine, lock, manifest);
	} catch (error) {
		if (!(error instanceof LifeboatError)) throw error;
	}
}

/** Removes what dead backups have left. A failure here never makes a backup fail. */
async function cleanUp(engine: Engine, lock: Lock): Promise<void> {
	const names = lock.abandoned.filter((name) => backupOfFile(manifestKey(name)) === name);
	const buried = await tryRepeatedly(async () => {
		for (const name of names) await buryBackup(engine, name);
	});
	if (buried) lock.buried();
	await tryRepeatedly(() => dropStage(d1(engine.database), engine.sleep));
	await removeLeftovers(engine.bucket, engine.keys, engine.now());
}

/** After the commit: removes what other tries of the backup have stored, and gives the lock back. */
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
		await lock.release(); // the existing objects are another backup's
		return null;
	}
	if (job.staged) await tryRepeatedly(() => dropStage(d1(engine.database), engine.sleep));
	let manifest: Manifest | null = null;
	const isDone = await tryRepeatedly(async () => {
		manifest = await giveUp(engine, job.name, engine.keys);
	});
	if (isDone) await lock.release();
	return manifest;
}

/** Dumps until nobody has written meanwhile, so that the result is a state that the database had. */
async function dumpUndisturbed(
	engine: Engine,
	lock: Lock,
	job: Job,
	onProgress: ReportProgress,
): Promise<DumpedStep> {
	let attempt = job;
	for (;;) {
		try {
			return await dumpStep(engine, lock, attempt, onProgress);
		} catch (error) {
			if (!(error instanceof SnapshotChanged)) throw error;
			attempt = await startOver(engine, lock, await nextAttempt(engine, attempt, error));
		}
		onProgress({ event: 'restart', attempt: attempt.attempts });
		await engine.sleep(FIRST_PAUSE_MS * 2 ** (attempt.attempts - 2));
	}
}

/** The next attempt of a job, staged if reading without a stage has failed often enough. */
async function nextAttempt(engine: Engine, job: Job, error: SnapshotChanged): Promise<Job> {
	if (job.attempts === MAX_ATTEMPTS) throw unstable(error);
	if (job.staged || job.attempts < FENCED_ATTEMPTS) return job;
	const bytes = await sizeOf(engine);
	if (bytes > engine.stageMaxBytes) throw tooLargeToStage(error, bytes, engine.stageMaxBytes);
	return { ...job, staged: true };
}

/** Bytes of the database's file. */
async function sizeOf({ database, sleep }: Engine): Promise<number> {
	const { results } = await retrying(() => d1(database).batch(['SELECT 1']), sleep);
	return results[0]?.meta.size_after ?? 0;
}

/**
 * Discards the volumes so far, which are of a state that is gone. They stay in the bucket until the
 * manifest is written: a Worker that seemed dead might still commit them.
 */
async function startOver({ signer }: Engine, lock: Lock, job: Job): Promise<Job> {
	const anew: Job = { ...job, ...NOTHING_DONE, attempts: job.attempts + 1 };
	if (job.volumes.length > 0 && signer) await lock.save(await printJob(signer, anew));
	return anew;
}

/** Leaves an unfinished backup to its next step, for which the answer has the ticket. */
async function pause({ signer, now }: Engine, lock: Lock, job: Job): Promise<BackupStep> {
	if (signer === null) throw new Error('Tickets need a key.');
	const until = now() + TICKET_MS;
	await lock.handOver(until, await printJob(signer, job));
	return ticketFor(signer, job, until);
}

/**
 * Whether a failed step may be taken again with its ticket; the lock then holds the job as it was
 * before the step. After `lock_lost` the backup is left to its new holder.
 */
async function mayTryAgain(
	{ now, signer }: Engine,
	lock: Lock,
	job: Job,
	error: unknown,
): Promise<boolean> {
	if (error instanceof LifeboatError) {
		if (error.code === 'lock_lost') return true;
		if (!error.retryable || error.code === 'snapshot_unstable') return false;
	}
	if (job.step === 1 || signer === null) return false; // nobody has a ticket
	await tryRepeatedly(async () =>
		lock.handOver(now() + TICKET_MS, await printJob(signer, doubtful(job))),
	);
	return true;
}

function tooLargeToStage(cause: SnapshotChanged, bytes: number, limit: number): LifeboatError {
	const [size, most] = [bytes, limit].map((number) => Math.ceil(number / 1_000_000));
	return new LifeboatError(
		`The database was written to during every attempt to read it, and its ${size} MB are more than are staged.`,
		{
			code: 'snapshot_unstable',
			status: 409,
			hint: `Nothing was stored. Try again at a quieter time, or raise BACKUP_STAGE_MAX_MB from ${most}: the app then waits about 2 seconds for each 100 MB during a backup.`,
			retryable: true,
			retryAfter: 60,
			cause,
		},
	);
}

function unstable(cause: SnapshotChanged): LifeboatError {
	return new LifeboatError('The database was written to during every attempt to read it.', {
		code: 'snapshot_unstable',
		status: 409,
		hint: 'Nothing was stored. Try again at a quieter time. If nobody is writing, run `npm run doctor` to check whether backups can rely on the database.',
		retryable: true,
		retryAfter: 60,
		cause,
	});
}
