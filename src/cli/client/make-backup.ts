import type { StepProgress } from '../../lib/server/backup/engine.ts';
import type { BackupSummary } from '../../lib/server/backup/format/manifest.ts';
import type { RunCounts } from '../../lib/server/run/state.ts';
import { LifeboatError } from '../../lib/server/errors.ts';
import { retry, type Sleep } from '../../lib/server/retry.ts';
import { retryRefused, abortableSleep } from './retry.ts';

/** What one call of `POST /api/backup` asks for: docs/api.md, "In steps". */
export type Body =
	{ action: 'backup'; when?: 'due'; kind?: 'full' } | { action: 'resume'; ticket: string };

/** What it answers: that all is done, or a ticket for the next step. */
export type Answer = Finished | Continued;

/**
 * The backup, and of all databases how many are done. `due` is false when no backup was due: `backup`
 * is then the newest one.
 */
type Finished = { backup: BackupSummary; due: boolean } | { databases: RunCounts };

/** The answer to a step after which more are needed. */
interface Continued {
	resume: string;
	/** Seconds to wait before the next step, if the app asks for any. */
	retryAfter?: number;
	progress: StepProgress | RunProgress;
}

/** How far a backup of all databases is. */
export interface RunProgress {
	/** Calls that were made. */
	step: number;
	databases: RunCounts;
}

/**
 * A finished step; the pause before the next one; or a failed or refused call that is repeated after a
 * pause.
 */
export type StepEvent =
	| ({ event: 'step' } & (StepProgress | RunProgress))
	| { event: 'pause'; seconds: number }
	| { event: 'retry' | 'wait'; code: string; seconds: number };

/** What was made, and in how many calls. */
export type Made = Finished & { steps: number };

type Report = (event: StepEvent) => void;

/** How a backup is made. */
export interface MakeOptions {
	/** Only if the app's newest backup is old enough. */
	ifDue?: boolean;
	/** A full backup, where the app would make a differential. */
	full?: boolean;
	report?: Report;
	/** Waits; by default in real time, until the signal ends it. */
	sleep?: Sleep;
}

/** D1's largest database, 10 GB, takes fewer than 1,000, on the free plan too. */
const MAX_STEPS = 10_000;

/** In seconds. Together they outlast the five minutes for which a step that died keeps its lock. */
const PAUSES = [1, 4, 15, 40, 90, 180];

/** In seconds: that lock lasts no longer. */
const MAX_PAUSE = 300;

/**
 * The same for an app that wants its calls far apart, where each call counts: after five minutes the
 * lock has expired, and after the second time the ticket is still valid.
 */
const FAR_APART = [MAX_PAUSE, MAX_PAUSE];

/** In seconds: no plan wants a longer pause between two steps. */
const LONGEST_STEP_PAUSE = 3_600;

/**
 * Makes a backup in as many calls as it takes: the first one begins it, each further one redeems the
 * ticket of the one before, after the pause that the app asks for. A failed step is repeated with the
 * same ticket, which does nothing twice.
 * A failed first call is not repeated unless the app refused it, because it may have made its backup.
 *
 * Throws what the call throws, the reason of the signal, `steps_without_progress` and
 * `steps_too_many` (503).
 */
export async function makeBackup(
	call: (body: Body) => Promise<Answer>,
	signal: AbortSignal,
	{
		ifDue = false,
		full = false,
		report = () => {},
		sleep = abortableSleep(signal),
	}: MakeOptions = {},
): Promise<Made> {
	const onWait = (code: string, seconds: number) => report({ event: 'wait', code, seconds });
	const admitted = (body: Body) => retryRefused(() => call(body), signal, onWait);
	const which = { ...(ifDue && { when: 'due' as const }), ...(full && { kind: 'full' as const }) };
	let answer = await admitted({ action: 'backup', ...which });
	let before: Continued['progress'] | null = null;
	for (let steps = 1; steps <= MAX_STEPS; steps++) {
		if (!('resume' in answer)) return { ...answer, steps };
		const { resume: ticket, retryAfter = 0, progress }: Continued = answer;
		if (before && !isFurther(progress, before)) throw withoutProgress();
		before = progress;
		report({ event: 'step', ...progress });
		const pause = Math.min(retryAfter, LONGEST_STEP_PAUSE);
		if (pause > 0) {
			report({ event: 'pause', seconds: pause });
			await sleep(pause * 1000);
		}
		const retries = { pauses: pause > 0 ? FAR_APART : PAUSES, report, sleep };
		answer = await retryFailed(() => admitted({ action: 'resume', ticket }), retries);
	}
	throw tooMany();
}

/** Repeats a step that failed with an error that may pass. */
function retryFailed<T>(
	call: () => Promise<T>,
	{ pauses, report, sleep }: { pauses: number[]; report: Report; sleep: Sleep },
): Promise<T> {
	const pauseAfter = (error: unknown, tries: number) => {
		const usual = pauses[tries - 1];
		if (!(error instanceof LifeboatError && error.retryable) || usual === undefined) return null;
		if (error.code === 'snapshot_unstable') return null; // the whole backup may be tried again
		const asked = pauses === FAR_APART ? usual : error.retryAfter;
		const seconds = Math.min(asked ?? usual, MAX_PAUSE);
		report({ event: 'retry', code: error.code, seconds });
		return seconds * 1000;
	};
	return retry(call, pauseAfter, sleep);
}

/** A dump that starts over has fewer bytes, but a higher step. */
function isFurther(now: Continued['progress'], before: Continued['progress']): boolean {
	if (now.step > before.step) return true;
	return 'sqlBytes' in now && 'sqlBytes' in before && now.sqlBytes > before.sqlBytes;
}

function withoutProgress(): LifeboatError {
	return new LifeboatError('Two steps of the backup in a row have ended at the same point.', {
		code: 'steps_without_progress',
		status: 503,
		hint: "The backup would never finish. Look at the app's log, then start a new one.",
	});
}

function tooMany(): LifeboatError {
	return new LifeboatError(`The backup is not complete after ${MAX_STEPS} steps.`, {
		code: 'steps_too_many',
		status: 503,
		hint: "No database needs that many. Look at the app's log, then start a new one.",
	});
}
