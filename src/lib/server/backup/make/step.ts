import { LifeboatError } from '../../errors.ts';
import { d1 } from '../database.ts';
import type { AfterBackup, BackupStep, Engine, ReportProgress } from '../engine.ts';
import type { BackupSummary, Manifest } from '../format/manifest.ts';
import { backupOfFile, manifestKey } from '../format/names.ts';
import { dropStage } from '../stage-tables.ts';
import { requireUnused } from '../storage/bucket.ts';
import { tryRepeatedly } from '../storage/failure.ts';
import { storeSliceList } from '../storage/slice-list.ts';
import { giveUp, removeLeftovers, removeStrays } from '../storage/leftovers.ts';
import { type HeldLock, type Lock, takeUpLock } from '../storage/lock.ts';
import { buryBackup } from '../storage/tombstone.ts';
import { dumpUndisturbed, staysStaged } from './attempts.ts';
import { beginCall, type Call, type Measured } from './call.ts';
import { commit } from './commit.ts';
import { doubtful, type Job, printJob, ticketEnd, ticketFor } from './job.ts';
import { asFull } from './parent.ts';

/**
 * Takes one step of a backup and gives the lock back. If a first step fails, everything that it stored
 * is removed; if a later one fails and is worth another try, the job stays as it was. Throws what
 * `startBackup` throws.
 */
export async function takeStep(
	{ engine, database, room }: Measured,
	lock: Lock,
	job: Job,
	{ onProgress, afterwards }: StepOptions,
): Promise<BackupStep> {
	const call = beginCall(engine, lock, job, { onProgress, database });
	try {
		onProgress({ event: 'step', name: job.name, step: job.step });
		const begun = job.step === 1 ? await begin(call, job) : job;
		const { summary, job: done } = await dumpUndisturbed(call, begun);
		if (summary === null) return await pause(engine, lock, done);
		const manifest = await commit(engine, lock, done, summary);
		await finish(engine, lock, manifest, () => afterwards({ confirm: () => lock.confirm(), room }));
		return { manifest };
	} catch (error) {
		if (await mayTryAgain(call, error)) throw error;
		const manifest = await withdraw(call, error);
		if (manifest) return { manifest };
		throw error;
	}
}

/** What a step tells, and what follows the one that completes the backup. */
export interface StepOptions {
	onProgress: ReportProgress;
	afterwards: AfterBackup;
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

/**
 * Prepares the first step. A database whose last backup had to be staged is usually staged at once.
 * Throws `backup_exists` (409).
 */
async function begin(call: Call, job: Job): Promise<Job> {
	const newest = await cleanUp(call);
	for (const name of new Set([job.name, asFull(job.name)])) {
		await requireUnused(call.engine.bucket, name);
	}
	const staged = newest?.consistency === 'staged' && (await staysStaged(call));
	return { ...job, staged };
}

/**
 * Removes what dead backups have left. Returns the newest backup, as far as metadata tells. A failure
 * here never makes a backup fail.
 */
async function cleanUp({ engine, lock, database }: Call): Promise<BackupSummary | null> {
	const names = lock.abandoned.filter((name) => backupOfFile(manifestKey(name)) === name);
	const buried = await tryRepeatedly(async () => {
		for (const name of names) await buryBackup(engine, name);
	});
	if (buried) lock.buried();
	await tryRepeatedly(() => dropStage(database, engine.sleep));
	return removeLeftovers(engine.bucket, engine.keys, engine.now());
}

/**
 * After the commit: removes the stage and what other tries of the backup have stored, writes the list of
 * slices, which follows from the manifest, does what comes afterwards, and gives the lock back.
 */
async function finish(
	engine: Engine,
	lock: Lock,
	manifest: Manifest,
	afterwards = async () => {},
): Promise<void> {
	const { bucket } = engine;
	const { name, snapshot } = manifest;
	if (snapshot.consistency === 'staged') await removeStage(engine, name);
	// Each try has stored one volume at most.
	const mayHaveStrays = manifest.volumes.length < lock.tries;
	if (mayHaveStrays) await tryRepeatedly(() => removeStrays(bucket, manifest));
	await tryRepeatedly(() => storeSliceList(engine, manifest));
	await afterwards();
	await lock.release();
}

/**
 * Withdraws a backup that failed for good. Returns its manifest if another Worker has committed it
 * meanwhile, else null. A lock that cannot be released expires; it names its backup, so the next
 * holder can clean up.
 */
async function withdraw(
	{ engine, lock, job, mayHaveStage }: Call,
	error: unknown,
): Promise<Manifest | null> {
	if (error instanceof LifeboatError && error.code === 'backup_exists') {
		await lock.release(); // the existing objects are another backup's
		return null;
	}
	if (mayHaveStage) await removeStage(engine, job.name);
	let manifest: Manifest | null = null;
	const isDone = await tryRepeatedly(async () => {
		manifest = await giveUp(engine, job.name, engine.keys);
	});
	if (isDone) await lock.release();
	return manifest;
}

/** Drops the stage of a backup. If that fails, the next backup does it, or the next look at the health. */
async function removeStage({ database, sleep }: Engine, name: string): Promise<void> {
	await tryRepeatedly(() => dropStage(d1(database), sleep, name));
}

/** Leaves an unfinished backup to its next step, for which the answer has the ticket. */
async function pause(engine: Engine, lock: Lock, job: Job): Promise<BackupStep> {
	const { signer } = engine;
	if (signer === null) throw new Error('Tickets need a key.');
	const until = ticketEnd(engine);
	await lock.handOver(until, await printJob(signer, job));
	return ticketFor(engine, signer, job, until);
}

/**
 * Whether a failed step may be taken again with its ticket; the lock then holds the job as it was
 * before the step. After `lock_lost` the backup is left to its new holder.
 */
async function mayTryAgain({ engine, lock, job }: Call, error: unknown): Promise<boolean> {
	const { signer } = engine;
	if (error instanceof LifeboatError) {
		if (error.code === 'lock_lost') return true;
		if (!error.retryable || error.code === 'snapshot_unstable') return false;
	}
	if (job.step === 1 || signer === null) return false; // nobody has a ticket
	await tryRepeatedly(async () =>
		lock.handOver(ticketEnd(engine), await printJob(signer, doubtful(job))),
	);
	return true;
}
