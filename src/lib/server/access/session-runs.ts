import * as v from 'valibot';
import { changeState, type StateKind } from '../backup/storage/state.ts';
import { LifeboatError } from '../errors.ts';
import type { R2Bucket } from '../platform.ts';

const HOUR_MS = 3_600_000;
/**
 * What sessions alone may start in an hour, from all people together. Each backup and proof reads a whole
 * database, and D1 counts rows by the day: a stolen session must not be able to use them up.
 */
export const MAX_RUNS = 12;

const RUNS: StateKind<{ started: number[] }> = {
	key: 'access/session-runs.json',
	schema: v.object({ started: v.array(v.pipe(v.number(), v.safeInteger())) }),
	empty: { started: [] },
};

/**
 * Counts a backup or a proof that a session starts without a code. Of several calls at once each counts.
 * Throws `too_many_runs` (429), `storage_error` (500), `state_contended` (503).
 */
export async function countRun(bucket: R2Bucket, now: number): Promise<void> {
	await changeState(bucket, RUNS, ({ started }) => {
		const recent = started.filter((at) => at > now - HOUR_MS);
		const [oldest = now] = recent;
		if (recent.length >= MAX_RUNS) throw tooMany(oldest + HOUR_MS - now);
		return { started: [...recent, now] };
	});
}

function tooMany(milliseconds: number): LifeboatError {
	return new LifeboatError(`The dashboard starts at most ${MAX_RUNS} backups and proofs an hour.`, {
		code: 'too_many_runs',
		status: 429,
		hint: 'Nothing was started. Wait, or use the commands: a code has no such limit.',
		retryAfter: Math.ceil(milliseconds / 1000),
	});
}
