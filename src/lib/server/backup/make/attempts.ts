import { LifeboatError } from '../../errors.ts';
import { NeedsStage } from '../dump/inspect.ts';
import { Reader, SnapshotChanged } from '../dump/reader.ts';
import { giveUp } from '../storage/leftovers.ts';
import type { Call } from './call.ts';
import { type DumpedStep, dumpStep, MAX_ATTEMPTS, unstable } from './dump-step.ts';
import { type Job, NOTHING_DONE, printJob } from './job.ts';
import { asFull, NeedsFull } from './parent.ts';

/** Attempts to read the database itself before it is staged, if it may be. */
const FENCED_ATTEMPTS = 2;
/** The first pause before a new attempt, in milliseconds; each next one is twice as long. */
const FIRST_PAUSE_MS = 500;
/** A new attempt starts in the same call if no more than this share of its budget is used. */
const USED_SHARE = 0.5;
/** Why there can be no stage. */
const NO_STAGE = ['snapshot_unstable', 'stage_name_taken', 'too_many_rows'];
/** About how long other queries wait for a stage, in milliseconds for each megabyte of database. */
const WAIT_MS_PER_MB = 20;

/**
 * Dumps until nobody has written meanwhile, so that the result is a state that the database had; a
 * new attempt may be left to the next call. Throws `snapshot_unstable` (409) and what the dump throws.
 */
export async function dumpUndisturbed(call: Call, job: Job): Promise<DumpedStep> {
	const { engine, onProgress } = call;
	let attempt = job;
	for (;;) {
		try {
			return await dumpStep(call, attempt);
		} catch (error) {
			const other =
				error instanceof NeedsFull ? await startOver(call, attempt) : otherWay(attempt, error);
			if (other && needsNewCall(call, other)) {
				return { summary: null, job: { ...other, step: other.step + 1 } };
			}
			if (other) {
				attempt = other;
				continue;
			}
			if (!(error instanceof SnapshotChanged)) throw error;
			const next = await nextAttempt(call, attempt, error);
			onProgress({ event: 'restart', attempt: next.attempts });
			if (needsNewCall(call, next)) return { summary: null, job: { ...next, step: next.step + 1 } };
			await saveRestart(call, attempt, next);
			attempt = next;
		}
		await engine.sleep(FIRST_PAUSE_MS * 2 ** (attempt.attempts - 2));
	}
}

/**
 * The job as a full backup from the start, under the name of one. What it has stored under the other name
 * can no longer be committed, and is removed.
 */
async function startOver(call: Call, job: Job): Promise<Job> {
	const { engine, lock } = call;
	const { signer } = engine;
	const full = { ...job, ...NOTHING_DONE, name: asFull(job.name), parent: null };
	call.job = { ...full, step: call.job.step };
	await lock.rename(full.name, signer && job.step > 1 ? await printJob(signer, call.job) : null);
	await giveUp(engine, job.name, engine.keys);
	lock.buried();
	return full;
}

/**
 * The job with a stage for the terms of FTS5 indexes, or without one if there can be none: for the
 * terms, or for a database that is staged at once because the backup before was. Null if the error has
 * another cause.
 */
function otherWay(job: Job, error: unknown): Job | null {
	if (error instanceof NeedsStage) return { ...job, staged: true, terms: 'staged' };
	const isStaging = job.staged && job.checkpoint === null;
	if (!isStaging || !(error instanceof LifeboatError)) return null;
	if (!NO_STAGE.includes(error.code)) return null;
	if (job.terms === 'staged') return { ...job, staged: false, terms: 'left out' };
	const wasTried = job.attempts > 1 || error.code === 'stage_name_taken';
	return wasTried ? null : { ...job, staged: false };
}

/**
 * Whether a database that had to be staged last time is staged at once: not if it may now fit into one
 * batch, which nobody can disturb, nor if it has become too large for a stage.
 */
export async function staysStaged(call: Call): Promise<boolean> {
	const { stageMaxBytes, budget } = call.engine;
	if (stageMaxBytes === 0) return false;
	const bytes = await sizeOf(call);
	return bytes > budget.atomicBytes && bytes <= stageMaxBytes;
}

/**
 * The next attempt of a job, without what is done: that is of a state which is gone. Staged if reading
 * without a stage has failed often enough.
 */
async function nextAttempt(call: Call, job: Job, error: SnapshotChanged): Promise<Job> {
	const next = { ...job, ...NOTHING_DONE, attempts: job.attempts + 1 };
	const isLast = job.attempts >= MAX_ATTEMPTS;
	if (job.staged || job.attempts < FENCED_ATTEMPTS) {
		if (isLast) throw unstable(error);
		return next;
	}
	const { stageMaxBytes } = call.engine;
	if (stageMaxBytes === 0 && !isLast) return next;
	const bytes = await sizeOf(call);
	if (bytes <= stageMaxBytes) return { ...next, staged: true };
	if (isLast) throw tooLargeToStage(error, bytes, stageMaxBytes);
	return next;
}

/** Bytes of the database's file. */
async function sizeOf({ engine, database }: Call): Promise<number> {
	const reader = new Reader(database, engine.sleep);
	await reader.batch(['SELECT 1']);
	return reader.databaseBytes;
}

/** Whether what is left of this call's budget is too little for an attempt; a stage takes a whole one. */
function needsNewCall({ engine, database, startedAt }: Call, { staged }: Job): boolean {
	const { budget, signer, now } = engine;
	if (signer === null) return false; // nobody could have a ticket
	if (staged && Number.isFinite(budget.stage)) return true;
	const isMostlySent = database.sent > budget.queries * USED_SHARE;
	return isMostlySent || now() - startedAt > budget.milliseconds * USED_SHARE;
}

/**
 * Saves the new attempt for a repetition of this step. The volumes so far stay in the bucket until the
 * manifest is written: a Worker that seemed dead might still commit them.
 */
async function saveRestart({ engine, lock }: Call, before: Job, next: Job): Promise<void> {
	const { signer } = engine;
	if (before.volumes.length > 0 && signer) await lock.save(await printJob(signer, next));
}

function tooLargeToStage(cause: SnapshotChanged, bytes: number, limit: number): LifeboatError {
	const [size, most] = [bytes, limit].map((number) => Math.ceil(number / 1_000_000));
	const seconds = Math.max(1, Math.ceil(((size ?? 0) * WAIT_MS_PER_MB) / 1000));
	const why = limit === 0 ? 'BACKUP_STAGE_MAX_MB is 0' : `BACKUP_STAGE_MAX_MB is ${most}`;
	return new LifeboatError(
		`The database was written to during every attempt to read it, and its ${size} MB may not be staged: ${why}.`,
		{
			code: 'snapshot_unstable',
			status: 409,
			hint: `Nothing was stored. Try again at a quieter time, or set BACKUP_STAGE_MAX_MB to more than ${size}: during a backup the app's queries then wait once for about ${seconds} ${seconds === 1 ? 'second' : 'seconds'}, and the database needs as much space again for a while.`,
			retryable: true,
			retryAfter: 60,
			cause,
		},
	);
}
