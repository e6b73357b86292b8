import * as v from 'valibot';
import { changeState, readState, type StateKind } from '../backup/storage/state.ts';
import type { R2Bucket } from '../platform.ts';
import type { AlertKind } from './alerts.ts';

// Which alerts were sent, so that each is sent once. Of several calls at once, exactly one sends it.

/** How long the same failure is not sent again, in milliseconds: a caller takes a step several times. */
const REPEAT_MS = 3_600_000;

const PRUNING_REPEAT_MS = 24 * REPEAT_MS;

const Moment = v.pipe(v.number(), v.safeInteger());

/** The alerts that stand. */
export interface SentAlerts {
	/** Set while backups fail: since when, the last error code, and when its alert was sent. */
	failing: { since: number; code: string; told: number } | null;
	/** Whether it was sent that the newest backup is too old. */
	overdue: boolean;
	/** The last error for which old backups could not be pruned, and when its alert was sent. */
	pruning?: { code: string; told: number } | undefined;
	/** Whether the receiver did not accept an alert that backups were marked. */
	untoldMarks?: boolean | undefined;
}

const SENT: StateKind<SentAlerts> = {
	key: 'operations/watch.json',
	schema: v.object({
		failing: v.nullable(v.object({ since: Moment, code: v.string(), told: Moment })),
		overdue: v.boolean(),
		pruning: v.optional(v.object({ code: v.string(), told: Moment })),
		untoldMarks: v.optional(v.boolean()),
	}),
	empty: { failing: null, overdue: false },
};

/** The alerts that stand. Throws `storage_error` (500). */
export function readSentAlerts(bucket: R2Bucket): Promise<SentAlerts> {
	return readState(bucket, SENT);
}

/** Clears what was sent about backups after a backup. Returns what stood before. Throws `storage_error` (500). */
export async function clearSentAlerts(bucket: R2Bucket): Promise<SentAlerts> {
	let before = SENT.empty;
	await changeState(bucket, SENT, (sent) => {
		before = sent;
		return sent.failing || sent.overdue ? { ...sent, ...SENT.empty } : sent;
	});
	return before;
}

/** Whether an overdue backup is news; from then on it is not. Throws `storage_error` (500). */
export async function isNewlyOverdue(bucket: R2Bucket): Promise<boolean> {
	let isNew = false;
	await changeState(bucket, SENT, (sent) => {
		isNew = !sent.overdue;
		return isNew ? { ...sent, overdue: true } : sent;
	});
	return isNew;
}

/** Whether a failure with this code is news; for an hour it is not then. Throws `storage_error` (500). */
export async function isNewlyFailing(
	bucket: R2Bucket,
	code: string,
	now: number,
): Promise<boolean> {
	let isNew = false;
	await changeState(bucket, SENT, (sent) => {
		const { failing } = sent;
		isNew = failing?.code !== code || failing.told + REPEAT_MS <= now;
		if (!isNew) return sent;
		return { ...sent, failing: { since: failing?.since ?? now, code, told: now } };
	});
	return isNew;
}

/** Whether it is news that pruning failed with this code; for a day it is not then. Throws `storage_error` (500). */
export async function isNewlyNotPruned(
	bucket: R2Bucket,
	code: string,
	now: number,
): Promise<boolean> {
	let isNew = false;
	await changeState(bucket, SENT, (sent) => {
		const { pruning } = sent;
		isNew = pruning?.code !== code || pruning.told + PRUNING_REPEAT_MS <= now;
		return isNew ? { ...sent, pruning: { code, told: now } } : sent;
	});
	return isNew;
}

/** Whether an alert that backups were marked was not accepted; from then on it counts as sent again. */
export async function takeUntoldMarks(bucket: R2Bucket): Promise<boolean> {
	let isUntold = false;
	await changeState(bucket, SENT, (sent) => {
		isUntold = sent.untoldMarks ?? false;
		return isUntold ? { ...sent, untoldMarks: false } : sent;
	});
	return isUntold;
}

/** Marks alerts that their receiver did not accept as not sent. Throws `storage_error` (500). */
export async function markUnsent(
	bucket: R2Bucket,
	missed: AlertKind[],
	now: number,
): Promise<void> {
	const isMissed = (...kinds: AlertKind[]) => kinds.some((kind) => missed.includes(kind));
	await changeState(bucket, SENT, (sent) => {
		let { failing, overdue, pruning, untoldMarks } = sent;
		if (failing && isMissed('backup_failed', 'backup_unstable')) failing = { ...failing, told: 0 };
		if (isMissed('backup_overdue')) overdue = false;
		// As if backups still failed, so that the next one sends that they work again.
		if (isMissed('backup_recovered')) failing ??= { since: now, code: 'backup_recovered', told: 0 };
		if (pruning && isMissed('prune_failed')) pruning = { ...pruning, told: 0 };
		if (isMissed('backups_marked')) untoldMarks = true;
		return { failing, overdue, pruning, untoldMarks };
	});
}
