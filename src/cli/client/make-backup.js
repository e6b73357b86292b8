// Makes a backup in as many calls as it takes: docs/api.md, "In steps". Needs Node 20 and nothing
// installed.
import { patiently, sleep } from './retry.js';

/**
 * @typedef {import('../../lib/server/backup/format/manifest.ts').BackupSummary} BackupSummary
 *
 * What the steps so far have done, all together.
 * @typedef {{ name: string, step: number, tables: number, rows: number, sqlBytes: number }} Progress
 *
 * @typedef {{ action: 'backup', when?: 'due' } | { action: 'resume', ticket: string }} Body
 *
 * `due` is false where none was made: `backup` is then the newest.
 * @typedef {{ backup: BackupSummary, due: boolean } | { resume: string, progress: Progress }} Answer
 *
 * A step is done; or its call, which has failed or was turned away at the door, is to be made again
 * after a pause.
 * @typedef {{ event: 'step' } & Progress
 *   | { event: 'retry' | 'wait', code: string, seconds: number }} StepEvent
 */

/** A database of 10 GB, the largest of D1, takes less than 1,000, also on the free plan. */
const MAX_STEPS = 10_000;

/** Seconds. Together they outlast the five minutes for which a step that died keeps its lock. */
const PAUSES = [1, 4, 15, 40, 90, 180];

/** Seconds: that lock lasts no longer. */
const MAX_PAUSE = 300;

/**
 * Why a call made no backup: what a LifeboatError says, for programs that plain Node 20 runs.
 * `retryable` when the call of a step may be made again, after `retryAfter` seconds where it is known.
 */
export class CallError extends Error {
	/**
	 * @param {string} message
	 * @param {{
	 *   code: string, hint: string, status?: number, retryable?: boolean,
	 *   retryAfter?: number | undefined
	 * }} details
	 */
	constructor(message, { code, hint, status = 503, retryable = false, retryAfter }) {
		super(message);
		this.name = 'CallError';
		this.code = code;
		this.hint = hint;
		this.status = status;
		this.retryable = retryable;
		this.retryAfter = retryAfter;
	}
}

/**
 * Makes a backup: one call that begins it, then one for each ticket, until it is complete. A step
 * whose call failed is called again with the same ticket, which does nothing twice. The first call is
 * not, unless the app turned it away at the door: one that seems to have failed may have made its
 * backup.
 *
 * @param {(body: Body) => Promise<Answer>} call One call of `POST /api/backup`.
 * @param {AbortSignal} signal Ends the pauses too.
 * @param {{ ifDue?: boolean, report?: (event: StepEvent) => void }} options `ifDue`: only where the
 *   newest backup is old enough.
 * @returns {Promise<{ backup: BackupSummary, due: boolean, steps: number }>}
 * @throws what the call throws, the reason of the signal, `steps_without_progress`, `steps_too_many`
 */
export async function makeBackup(call, signal, { ifDue = false, report = () => {} } = {}) {
	/** @param {Body} body */
	const admitted = (body) =>
		patiently(
			() => call(body),
			signal,
			(code, seconds) => report({ event: 'wait', code, seconds }),
		);
	let answer = await admitted(ifDue ? { action: 'backup', when: 'due' } : { action: 'backup' });
	/** @type {Progress | undefined} */
	let before;
	for (let steps = 1; steps <= MAX_STEPS; steps++) {
		if ('backup' in answer) return { ...answer, steps };
		const { resume: ticket, progress } = answer;
		if (before && !isFurther(progress, before)) throw withoutProgress();
		before = progress;
		report({ event: 'step', ...progress });
		answer = await repeated(() => admitted({ action: 'resume', ticket }), signal, report);
	}
	throw tooMany();
}

/**
 * Makes a call again, a few times, while it fails with what may pass.
 * @param {() => Promise<Answer>} call
 * @param {AbortSignal} signal
 * @param {(event: StepEvent) => void} report
 */
async function repeated(call, signal, report) {
	for (const usual of PAUSES) {
		try {
			return await call();
		} catch (error) {
			if (!(error instanceof CallError && error.retryable)) throw error;
			const seconds = Math.min(error.retryAfter ?? usual, MAX_PAUSE);
			report({ event: 'retry', code: error.code, seconds });
			await sleep(seconds, signal);
		}
	}
	return call();
}

/**
 * A dump that starts over has fewer bytes, but a higher step.
 * @param {Progress} now
 * @param {Progress} before
 */
function isFurther(now, before) {
	return now.step > before.step || now.sqlBytes > before.sqlBytes;
}

function withoutProgress() {
	return new CallError('The app has answered a step with what the step before had answered.', {
		code: 'steps_without_progress',
		hint: "The backup would never end. Look at the app's log, then begin a new one.",
	});
}

function tooMany() {
	return new CallError(`The backup is not complete after ${MAX_STEPS} steps.`, {
		code: 'steps_too_many',
		hint: "No database takes that many. Look at the app's log, then begin a new one.",
	});
}
