import type { BackupKey } from '../backup/format/signature.ts';
import { type Policy, readPolicy } from '../backup/keep/policy.ts';
import { backupKeys, backupSettings } from '../backup/settings.ts';
import type { ListContext } from '../backup/storage/list.ts';
import { dropAbandonedState } from '../backup/storage/lock.ts';
import { bucket as appBucketOf, type Environment, placeOf } from '../environment.ts';
import type { D1Database, R2Bucket } from '../platform.ts';
import { type Sleep, sleep } from '../retry.ts';
import { auditLogBucket, pruneAuditLog } from './audit-log.ts';
import { operationsSettings, type OperationsSettings } from './settings.ts';

/** What monitoring, notifications and the audit log work with. */
export interface Operations {
	settings: OperationsSettings;
	/** The database that is backed up, in which a killed backup may have left its stage. */
	database: D1Database;
	/** What the app calls it. */
	name: string;
	/** Whether the app has other databases too, so that notifications and the audit log name this one. */
	isOneOfSeveral: boolean;
	/** Holds its backups, and which alerts about it were sent. */
	bucket: R2Bucket;
	/** Holds what is known about the callers of the whole app. */
	appBucket: R2Bucket;
	/** The keys of manifests and proofs. Throws LifeboatError (500) if one is not valid. */
	keys(): readonly BackupKey[];
	/** Which backups stay. Throws LifeboatError (500) if a setting is not valid. */
	policy(): Policy;
	/** Holds the audit log. */
	auditLog: R2Bucket;
	/** Origin of the app, named in each alert. */
	app: string;
	/** Milliseconds since 1970. */
	now(): number;
	sleep: Sleep;
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** When this Worker last began to tidy an audit log, in milliseconds since 1970. */
const tidied = new WeakMap<R2Bucket, number>();

/** The operations of the app at an address. Throws LifeboatError (500) if a setting is missing or not valid. */
export function operationsOf(
	env: Environment | undefined,
	{ origin }: Pick<URL, 'origin'>,
): Operations {
	const { database, bucket } = backupSettings(env);
	return {
		settings: operationsSettings(env),
		database,
		name: placeOf(env).database,
		isOneOfSeveral: placeOf(env).databases.length > 1,
		bucket,
		appBucket: appBucketOf(env),
		// Read late, because an invalid one has to be reported in an alert.
		keys: () => backupKeys(env),
		policy: () => readPolicy(env),
		auditLog: auditLogBucket(env) ?? bucket,
		app: origin,
		now: Date.now,
		sleep,
	};
}

/** What the list of backups is read with. Throws what `keys` throws. */
export function listContext({ bucket, keys, now }: Operations): ListContext {
	return { bucket, keys: keys(), now };
}

/** The time from which entries of the audit log are kept, in milliseconds since 1970. */
export function auditLogStart({ settings, now }: Pick<Operations, 'settings' | 'now'>): number {
	return now() - settings.auditLogDays * DAY_MS;
}

/**
 * Removes personal data that is no longer needed: old entries of the audit log, and the rows in the
 * lock of an abandoned backup. Never throws, since a lock rule may keep them: failures are logged.
 */
export async function removeOldData(operations: Operations): Promise<void> {
	await dropAbandonedState(operations);
	await removeOldEntries(operations);
}

/**
 * Removes old entries of the audit log after a call that has nothing else to tidy, such as one that is
 * refused, at most once an hour in each Worker. Never throws: failures are logged.
 */
export async function tidyAuditLog(env: Environment | undefined, now = Date.now): Promise<void> {
	const auditLog = auditLogBucket(env);
	if (!auditLog || (tidied.get(auditLog) ?? 0) > now() - HOUR_MS) return;
	try {
		await removeOldEntries({ auditLog, settings: operationsSettings(env), now });
	} catch (error) {
		console.error('It could not be read how long the audit log is kept:', error);
	}
}

/** Removes old entries of the audit log. Never throws: failures are logged. */
export async function removeOldEntries(
	operations: Pick<Operations, 'auditLog' | 'settings' | 'now'>,
): Promise<void> {
	const { auditLog, now } = operations;
	tidied.set(auditLog, now());
	try {
		const isDone = await pruneAuditLog(auditLog, auditLogStart(operations));
		if (!isDone) tidied.delete(auditLog); // the next call goes on
	} catch (error) {
		console.error('Old entries of the audit log could not be removed:', error);
	}
}
