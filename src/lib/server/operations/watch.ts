import * as v from 'valibot';
import { listBackups } from '../backup/index.ts';
import { type BackupProgress, type BackupStep } from '../backup/engine.ts';
import { type BackupSummary, summarize } from '../backup/format/manifest.ts';
import type { Proof } from '../backup/format/proof.ts';
import { type LifeboatError, toLifeboatError } from '../errors.ts';
import { changeState, type StateKind } from '../backup/storage/state.ts';
import * as alerts from './alerts.ts';
import type { Alert, AlertKind } from './webhook.ts';
import { isOverdue } from './due.ts';
import { removeOldData, type Operations } from './index.ts';
import { Notices } from './notices.ts';

/** How long the same failure is told once: a caller takes a step several times. */
const TOLD_MS = 3_600_000;
/** Not a failure of a backup: another one is at work, or the caller has no right to this one. */
const NO_FAILURE = /^(backup_running|lock_lost|ticket_\w+)$/;

const Moment = v.pipe(v.number(), v.safeInteger());

/** What was told before, so that it is told once. */
const WATCH: StateKind<Watch> = {
	key: 'operations/watch.json',
	schema: v.object({
		failing: v.nullable(v.object({ since: Moment, code: v.string(), told: Moment })),
		overdue: v.boolean(),
	}),
	empty: { failing: null, overdue: false },
};
interface Watch {
	/** The last backup was in vain: since when one was, why at last, and when that was told. */
	failing: { since: number; code: string; told: number } | null;
	/** It was told that the newest backup is too old. */
	overdue: boolean;
}

type Report = (progress: BackupProgress) => void;

/**
 * Makes a step of a backup, and tells whoever is to know that it begins and how it ends. That takes
 * `SEND_MS` at most, and is never the reason why a backup fails. Throws what the step throws.
 */
export async function watchBackup(
	operations: Operations,
	report: Report,
	step: (report: Report) => Promise<BackupStep>,
): Promise<BackupStep> {
	const notices = new Notices(operations);
	let name = '';
	try {
		const done = await step((progress) => {
			if (progress.event === 'step') {
				name = progress.name;
				if (progress.step === 1) notices.begin(name);
			}
			report(progress);
		});
		// Without a name no step was taken: it is the answer of an earlier call, given once more.
		if ('manifest' in done && name !== '') {
			notices.end('success', name);
			notices.alert(...(await afterBackup(operations, summarize(done.manifest))));
			await removeOldData(operations);
		}
		return done;
	} catch (error) {
		const failure = toLifeboatError(error);
		if (!NO_FAILURE.test(failure.code)) {
			notices.end('fail', name, `${failure.code}: ${failure.message} ${failure.hint}`);
			notices.alert(...(await afterFailure(operations, failure)));
		}
		await removeOldData(operations);
		throw error;
	} finally {
		await send(operations, notices);
	}
}

/** Proves a backup, and tells where that finds something wrong. Throws what the proof throws. */
export async function watchProof(
	operations: Operations,
	prove: () => Promise<Proof>,
): Promise<Proof> {
	try {
		const proof = await prove();
		if (!proof.proven) await tell(operations, alerts.differs(proof));
		return proof;
	} catch (error) {
		const failure = toLifeboatError(error);
		// What is forged or unreadable, or the app's own fault; not what a caller has asked wrongly.
		const matters = failure.status === 422 || failure.status >= 500;
		if (matters) await tell(operations, alerts.notProven(failure));
		throw error;
	} finally {
		await removeOldData(operations);
	}
}

/** Tells that too many wrong codes have closed the backup API. */
export function watchLock(operations: Operations): Promise<void> {
	return tell(operations, alerts.locked());
}

/** Tells, once, that the newest backup is too old, or that there is none. Never throws. */
export async function watchAge(
	operations: Operations,
	newest: BackupSummary | undefined,
): Promise<void> {
	const { settings, now } = operations;
	if (!isOverdue(newest, settings.maxAgeMs, now())) return;
	try {
		if (await isNewlyOverdue(operations)) await tell(operations, alerts.overdue(newest, now()));
	} catch (error) {
		console.error('Whether this was told before cannot be read:', error);
	}
}

async function afterBackup(operations: Operations, backup: BackupSummary): Promise<Alert[]> {
	const { bucket, settings } = operations;
	try {
		const { backups } = await listBackups(bucket, { limit: 2 });
		const previous = backups.find(({ name }) => name !== backup.name);
		const before = await clear(operations); // last: what was in vain until here is told the next time
		const isOdd = previous !== undefined && alerts.isOddSize(previous, backup, settings.sizeFactor);
		return [
			...(before.failing || before.overdue ? [alerts.recovered(backup, before.failing)] : []),
			...(isOdd ? [alerts.oddSize(previous, backup)] : []),
		];
	} catch (error) {
		console.error('What follows from a backup could not be done:', error);
		return []; // the backup is made
	}
}

async function afterFailure(operations: Operations, failure: LifeboatError): Promise<Alert[]> {
	const { bucket, settings, now } = operations;
	try {
		const [newest] = (await listBackups(bucket, { limit: 1 })).backups;
		const isNew = await isNewlyFailing(operations, failure.code);
		const late = isOverdue(newest, settings.maxAgeMs, now()) && (await isNewlyOverdue(operations));
		return [
			...(isNew ? [alerts.failed(failure, newest, now())] : []),
			...(late ? [alerts.overdue(newest, now())] : []),
		];
	} catch (error) {
		console.error('What was told before cannot be read:', error);
		return [alerts.failed(failure, undefined, now())]; // better twice than never
	}
}

/** What held before a backup has put it right. Of several calls one gets what there was. */
async function clear({ bucket }: Operations): Promise<Watch> {
	let before = WATCH.empty;
	await changeState(bucket, WATCH, (watch) => {
		before = watch;
		return watch.failing || watch.overdue ? WATCH.empty : watch;
	});
	return before;
}

/** True for one of several calls. */
async function isNewlyOverdue({ bucket }: Operations): Promise<boolean> {
	let isNew = false;
	await changeState(bucket, WATCH, (watch) => {
		isNew = !watch.overdue;
		return isNew ? { ...watch, overdue: true } : watch;
	});
	return isNew;
}

async function isNewlyFailing({ bucket, now }: Operations, code: string): Promise<boolean> {
	let isNew = false;
	await changeState(bucket, WATCH, (watch) => {
		const { failing } = watch;
		isNew = failing?.code !== code || failing.told + TOLD_MS <= now();
		if (!isNew) return watch;
		return { ...watch, failing: { since: failing?.since ?? now(), code, told: now() } };
	});
	return isNew;
}

function tell(operations: Operations, alert: Alert): Promise<void> {
	const notices = new Notices(operations);
	notices.alert(alert);
	return send(operations, notices);
}

/** Sends what there is to tell. What its receiver has not taken counts as not told: it is told again. */
async function send(operations: Operations, notices: Notices): Promise<void> {
	const missed = await notices.sent();
	if (missed.length === 0) return;
	try {
		await changeState(operations.bucket, WATCH, (watch) => untold(watch, missed, operations.now()));
	} catch (error) {
		console.error('What was not told cannot be written down:', error);
	}
}

function untold(watch: Watch, missed: AlertKind[], now: number): Watch {
	const isMissed = (...kinds: AlertKind[]) => kinds.some((kind) => missed.includes(kind));
	let { failing, overdue } = watch;
	if (failing && isMissed('backup_failed', 'backup_unstable')) failing = { ...failing, told: 0 };
	if (isMissed('backup_overdue')) overdue = false;
	// As if the backup that works again were still to come: the next one tells it.
	if (isMissed('backup_recovered')) failing ??= { since: now, code: 'backup_recovered', told: 0 };
	return { failing, overdue };
}
