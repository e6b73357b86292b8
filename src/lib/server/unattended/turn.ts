import type { BackupKey } from '../backup/format/signature.ts';
import { changeState, readState } from '../backup/storage/state.ts';
import { bucket as bucketOf, environmentOf } from '../environment.ts';
import { toLifeboatError } from '../errors.ts';
import { newestBackup } from '../operations/due.ts';
import { tidyAuditLog } from '../operations/index.ts';
import { watchAge } from '../operations/watch.ts';
import type { RunContext } from '../run/call.ts';
import { runContext } from '../run/context.ts';
import { DatabasesFailed } from '../run/failed.ts';
import { isOf, newRun, type RunState } from '../run/state.ts';
import { takeRunStep } from '../run/step.ts';
import { printRun, readRun } from '../run/ticket.ts';
import { drillNext } from './drill.ts';
import {
	begun,
	credible,
	type Driver,
	ended,
	endOfDrive,
	MAX_TRIES,
	PLAN,
	type Plan,
	settled,
	waitOf,
} from './plan.ts';
import { alertOwn, APP, originOf, ownOperations, type Self, type Work } from './self.ts';

/** What one call of the app itself has done. */
export interface Turn {
	/** Milliseconds until the next one has something to do; null if nothing is under way. */
	wait: number | null;
	/** What failed, as a sentence; null if nothing did. Alerts were sent by then. */
	failure: string | null;
}

const KILLED = `A step of it was ended ${MAX_TRIES} times before it was done.`;

/**
 * Does as much of the app's own work as fits one call: goes on with the backups that are under way, or
 * begins those that are due, or else drills a newest backup. The same turn may be taken again, and by
 * several calls at once.
 *
 * Throws `storage_error` (500), and what {@link runContext} throws.
 */
export async function takeTurn(self: Self, driver: Driver): Promise<Turn> {
	const { env, now } = self;
	const bucket = bucketOf(env);
	const plan = credible(await readState(bucket, PLAN), now());
	if (driver === 'tick' && plan.drivenUntil > now()) return { wait: null, failure: null };
	if (plan.next > now()) {
		await tidyAuditLog(env, now);
		return { wait: waitOf(plan, now()), failure: null };
	}
	await changeState(bucket, PLAN, (before) => begun(credible(before, now()), driver, now()));
	if (plan.tries === MAX_TRIES) await alertOwn(self, KILLED);
	const isDrill = plan.run === null && plan.drills.length > 0;
	const { next, failure } = await (isDrill ? drillNext : backUp)(self, plan);
	const wait = waitOf(next, now());
	const drivenUntil = endOfDrive(driver, wait, now());
	await changeState(bucket, PLAN, () => ({ ...next, drivenUntil }));
	return { wait, failure };
}

/** Leaves the next turns to a Workflow that is about to start. */
export async function handOver({ env, now }: Self, wait: number): Promise<void> {
	const drivenUntil = endOfDrive('workflow', wait, now());
	await changeState(bucketOf(env), PLAN, (plan) => ({ ...plan, drivenUntil }));
}

/** Takes a step of a run over all databases. */
async function backUp(self: Self, plan: Plan): Promise<Work> {
	const { env, now } = self;
	const context = contextOf(self);
	const step = await takeRunStep(context, await runOf(plan, context));
	const { state, failed, retryAfter = 0, done } = step;
	const hasMade = plan.hasMade || done.some((one) => 'backup' in one && !('due' in one));
	if (state !== null) {
		const run = await printRun(keyOf(context), state, { now: now(), retryAfter });
		const next = now() + retryAfter * 1000;
		return { next: { ...settled(plan), run, hasMade, next }, failure: null };
	}
	await watchAges(self, failed);
	const next = ended(
		plan,
		{
			hasMade,
			hasFailed: failed.length > 0,
			drillable: env.DRILL_DB ? context.databases : [],
			pause: context.budget.pause,
			maxAgeMs: context.operations.settings.maxAgeMs,
		},
		now(),
	);
	return { next, failure: failed.length > 0 ? new DatabasesFailed(step).message : null };
}

function contextOf({ env, now }: Self): RunContext {
	const context = runContext(env, originOf(env), APP);
	const { operationsOf, engineOf, operations } = context;
	return {
		...context,
		operations: { ...operations, now },
		operationsOf: (database) => ({ ...operationsOf(database), now }),
		engineOf: (database) => ({ ...engineOf(database), now }),
	};
}

/**
 * The run that is under way; a new one if there is none, if too long has passed since its last step, or
 * if the app's databases have changed.
 */
async function runOf({ run }: Plan, { databases, operations }: RunContext): Promise<RunState> {
	const { keys, now } = operations;
	if (run !== null) {
		const state = await readRun(keys(), run, now()).catch(() => null);
		if (state !== null && isOf(state, databases)) return state;
	}
	return newRun(databases, { when: 'due', now: now() });
}

function keyOf({ operations }: RunContext): BackupKey {
	const [key] = operations.keys();
	if (key === undefined) throw new Error('Runs need a key.'); // there always is TOTP_SECRET
	return key;
}

/**
 * Sends alerts about databases that failed: that the newest backup is too old by now, or that there is
 * nothing to back up with, about which the failure itself could send none. Never throws.
 */
async function watchAges(self: Self, databases: readonly string[]): Promise<void> {
	for (const database of databases) {
		try {
			const operations = ownOperations(environmentOf(self.env, database), self.now);
			await watchAge(operations, await newestBackup(operations));
		} catch (error) {
			await alertOwn(self, `${database}: ${toLifeboatError(error).message}`).catch(console.error);
		}
	}
}
