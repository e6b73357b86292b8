import { auditLogBucket, type Entry, record } from '../operations/audit-log.ts';
import { type Operations, operationsOf } from '../operations/index.ts';
import { watchBackup } from '../operations/watch.ts';
import { type Environment, list } from '../environment.ts';
import { LifeboatError } from '../errors.ts';
import type { Plan } from './plan.ts';

/** What the app's own work needs. */
export interface Self {
	/** The environment of the first database. */
	env: Environment;
	/** Milliseconds since 1970. */
	now(): number;
}

/** What some work has done: the plan after it, and what failed. */
export interface Work {
	next: Plan;
	/** A sentence; null if nothing failed. */
	failure: string | null;
}

/** The app in the audit log. */
export const APP = { kind: 'app', address: '' } as const;
/** What alerts call an app that does not know its address, because nobody has called it. */
const UNNAMED = 'Lifeboat';

/** The origin of the app, for alerts. */
export function originOf(env: Environment): Pick<URL, 'origin'> {
	const [origin = UNNAMED] = list(env, 'BACKUP_ORIGIN');
	return { origin };
}

/** The operations of a database. Throws what {@link operationsOf} throws. */
export function ownOperations(env: Environment, now: Self['now']): Operations {
	return { ...operationsOf(env, originOf(env)), now };
}

/** Records work of the app in the audit log. Never throws. */
export function recordOwn(
	{ env, now }: Self,
	entry: Pick<Entry, 'operation' | 'outcome'> & Partial<Entry>,
): Promise<void> {
	const time = new Date(now()).toISOString();
	return record(auditLogBucket(env), { ...entry, time, caller: APP });
}

/** Sends an alert that the app's own work cannot go on. Throws what {@link operationsOf} throws. */
export async function alertOwn({ env, now }: Self, reason: string): Promise<void> {
	const failure = unattendedFailed(reason);
	const step = () => Promise.reject(failure);
	await watchBackup(ownOperations(env, now), () => {}, step).catch((error: unknown) => {
		if (error !== failure) throw error;
	});
}

/** `unattended_failed` (500). */
export function unattendedFailed(reason: string): LifeboatError {
	return new LifeboatError(`The app's own backup or drill failed. ${reason}`, {
		code: 'unattended_failed',
		status: 500,
		hint: 'The audit log has the details (`npm run journal`). It is tried again by itself, after a while; to make a backup now, run `npm run backup`.',
	});
}
