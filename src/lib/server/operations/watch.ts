import type {
	AfterBackup,
	BackupProgress,
	BackupStep,
	Engine,
	ReportProgress,
} from '../backup/engine.ts';
import { type BackupSummary, summarize } from '../backup/format/manifest.ts';
import type { Proof } from '../backup/format/proof.ts';
import type { Pruned } from '../backup/keep/prune.ts';
import type { RequestedRemoval } from '../backup/keep/requests.ts';
import { pruneAfter } from '../backup/keep/run.ts';
import { type LifeboatError, toLifeboatError } from '../errors.ts';
import * as alerts from './alerts.ts';
import { isNewNetwork, isOneTooMany, MAX_WRONG_KEYS } from './callers.ts';
import { isOverdue, newestBackup } from './due.ts';
import { type Operations, removeOldData } from './index.ts';
import { Notifications } from './notifications.ts';
import { afterPrune, type PruneEnd, retentionOf } from './retention.ts';
import { clearSentAlerts, isNewlyFailing, isNewlyOverdue, markUnsent } from './sent-alerts.ts';

/** Codes that are not a failed backup: another one is running, or the caller may not continue this one. */
export const NO_FAILURE = /^(backup_running|lock_lost|ticket_\w+)$/;

/** What a step does besides its work: it reports, and prunes after a backup. */
export interface Watched {
	report: ReportProgress;
	prune(engine: Engine): AfterBackup;
}

/**
 * Makes one step of a backup, and sends notifications when it starts and when it ends, which takes
 * `SEND_MS` at most and never makes the backup fail. The step may find that there is nothing to do, and
 * return something else. Throws what the step throws.
 */
export async function watchBackup<Nothing extends object = never>(
	operations: Operations,
	report: ReportProgress,
	step: (watched: Watched) => Promise<BackupStep | Nothing>,
): Promise<BackupStep | Nothing> {
	const notifications = new Notifications(operations);
	const ends: PruneEnd[] = [];
	const prune = (engine: Engine) =>
		pruneAfter(
			engine,
			() => retentionOf(operations),
			(end) => ends.push(end),
		);
	let name = '';
	const watch = (progress: BackupProgress) => {
		if (progress.event === 'step') {
			name = progress.name;
			if (progress.step === 1) notifications.start(name);
		}
		report(progress);
	};
	try {
		const done = await step({ report: watch, prune });
		// Without a name no step was taken: the answer of an earlier call was repeated.
		if ('manifest' in done && name !== '') {
			notifications.end('success', name);
			notifications.alert(...(await afterBackup(operations, summarize(done.manifest))));
			for (const end of ends) notifications.alert(...(await afterPrune(operations, end)));
			await removeOldData(operations);
		}
		return done;
	} catch (error) {
		const failure = toLifeboatError(error);
		if (!NO_FAILURE.test(failure.code)) {
			notifications.end('fail', name, `${failure.code}: ${failure.message} ${failure.hint}`);
			notifications.alert(...(await afterFailure(operations, failure)));
		}
		await removeOldData(operations);
		throw error;
	} finally {
		await send(operations, notifications);
	}
}

/** Prunes, and sends an alert about what was marked, or why nothing could be. Throws what that throws. */
export async function watchPrune(
	operations: Operations,
	prune: () => Promise<Pruned>,
): Promise<Pruned> {
	const notifications = new Notifications(operations);
	try {
		const pruned = await prune();
		notifications.alert(...(await afterPrune(operations, { pruned })));
		return pruned;
	} catch (error) {
		const failure = toLifeboatError(error);
		const matters = failure.status >= 500; // the caller is told too
		if (matters) notifications.alert(...(await afterPrune(operations, { failure })));
		throw error;
	} finally {
		await send(operations, notifications);
	}
}

/** Marks a backup on request, and sends an alert about it, once. Throws what the request throws. */
export async function watchRequest(
	operations: Operations,
	caller: string,
	request: () => Promise<RequestedRemoval>,
): Promise<RequestedRemoval> {
	const removal = await request();
	if (removal.isNew) await sendAlert(operations, alerts.requested(removal, caller));
	return removal;
}

/** Proves a backup, and sends an alert if something is wrong with it. Throws what the proof throws. */
export async function watchProof(
	operations: Operations,
	prove: () => Promise<Proof>,
): Promise<Proof> {
	try {
		const proof = await prove();
		if (!proof.proven) await sendAlert(operations, alerts.differs(proof));
		return proof;
	} catch (error) {
		const failure = toLifeboatError(error);
		// A forged or unreadable backup, or a fault of the app; not a mistake of the caller.
		const matters = failure.status === 422 || failure.status >= 500;
		if (matters) await sendAlert(operations, alerts.notProven(failure));
		throw error;
	} finally {
		await removeOldData(operations);
	}
}

/** Sends an alert that too many wrong codes have triggered the lockout. Never throws. */
export function watchLockout(operations: Operations): Promise<void> {
	return sendAlert(aboutApp(operations), alerts.locked());
}

/** Sends an alert, at most one a day, if many calls have a wrong API key. Never throws. */
export async function watchWrongKey(operations: Operations): Promise<void> {
	try {
		const isDue = await isOneTooMany(operations.appBucket, operations.now());
		if (isDue) await sendAlert(aboutApp(operations), alerts.keyGuessed(MAX_WRONG_KEYS));
	} catch (error) {
		console.error('A wrong API key could not be counted:', error);
	}
}

/**
 * Sends an alert if a backup is fetched by a network that has fetched none in the last 90 days. Waits
 * until it is sent, so before anything is fetched. Never throws.
 */
export async function watchFetch(
	operations: Operations,
	file: string,
	network: string,
): Promise<void> {
	try {
		const isNew = await isNewNetwork(operations.appBucket, network, operations.now());
		if (isNew) await sendAlert(operations, alerts.fetched(file, network));
	} catch (error) {
		console.error('It could not be read which networks have fetched backups:', error);
	}
}

/** Sends an alert, once, if the newest backup is too old, or there is none. Never throws. */
export async function watchAge(
	operations: Operations,
	newest: BackupSummary | undefined,
): Promise<void> {
	const { bucket, settings, now } = operations;
	if (!isOverdue(newest, settings.maxAgeMs, now())) return;
	try {
		if (await isNewlyOverdue(bucket)) await sendAlert(operations, alerts.overdue(newest, now()));
	} catch (error) {
		console.error('The alerts that were sent before could not be read:', error);
	}
}

async function afterBackup(operations: Operations, backup: BackupSummary): Promise<alerts.Alert[]> {
	const { bucket, settings } = operations;
	try {
		const previous = await newestBackup(operations, backup.name);
		// Last, so that after an error the next backup still sends that backups work again.
		const before = await clearSentAlerts(bucket);
		const isOdd = previous !== undefined && alerts.isOddSize(previous, backup, settings.sizeFactor);
		return [
			...(before.failing || before.overdue ? [alerts.recovered(backup, before.failing)] : []),
			...(isOdd ? [alerts.oddSize(previous, backup)] : []),
		];
	} catch (error) {
		console.error('The alerts after a backup could not be determined:', error);
		return []; // the backup itself succeeded
	}
}

async function afterFailure(
	operations: Operations,
	failure: LifeboatError,
): Promise<alerts.Alert[]> {
	const { bucket, settings, now } = operations;
	try {
		const newest = await newestBackup(operations);
		const isNew = await isNewlyFailing(bucket, failure.code, now());
		const isLate = isOverdue(newest, settings.maxAgeMs, now()) && (await isNewlyOverdue(bucket));
		return [
			...(isNew ? [alerts.failed(failure, newest, now())] : []),
			...(isLate ? [alerts.overdue(newest, now())] : []),
		];
	} catch (error) {
		console.error('The alerts that were sent before could not be read:', error);
		return [alerts.failed(failure, undefined, now())]; // better twice than never
	}
}

/** For alerts that concern all databases. */
function aboutApp(operations: Operations): Operations {
	return { ...operations, isOneOfSeveral: false };
}

function sendAlert(operations: Operations, alert: alerts.Alert): Promise<void> {
	const notifications = new Notifications(operations);
	notifications.alert(alert);
	return send(operations, notifications);
}

/** Sends notifications. Alerts that their receiver does not accept are sent again the next time. */
async function send(operations: Operations, notifications: Notifications): Promise<void> {
	const missed = await notifications.sendAll();
	if (missed.length === 0) return;
	try {
		await markUnsent(operations.bucket, missed, operations.now());
	} catch (error) {
		console.error('Alerts that were not accepted could not be marked:', error);
	}
}
