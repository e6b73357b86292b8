import type { BackupProgress, BackupStep, Budget, Engine } from '../backup/engine.ts';
import { type BackupSummary, summarize } from '../backup/format/manifest.ts';
import { resumeBackup, startBackup } from '../backup/index.ts';
import { LifeboatError, toLifeboatError } from '../errors.ts';
import { type Entry, record } from '../operations/audit-log.ts';
import { isUndue, newestBackup } from '../operations/due.ts';
import type { Operations } from '../operations/index.ts';
import { watchBackup, watchRun } from '../operations/watch.ts';
import { countedBucket, countedDatabase, hasRoom, type Used, whatIsLeft } from './meter.ts';
import {
	countsOf,
	failedAt,
	isSecondTry,
	nextOf,
	passed,
	postponed,
	requireSame,
	type RunCounts,
	type RunState,
} from './state.ts';

/**
 * Seconds between the tries of a backup that has begun, or that another call is making: the last one
 * outlasts the lock of a Worker that died. After them it has failed.
 */
const PAUSES = [15, 60, 300];
/** The same where calls must be few. */
const FAR_APART = [300, 300];

/** What a run works with. */
export interface RunContext {
	/** The names of all databases, in the order of the run. */
	databases: readonly [string, ...string[]];
	/** What one call may use for all databases together. */
	budget: Budget;
	/** Of the app, for the pings of the run as a whole. */
	operations: Operations;
	/** Who asked for it, for the audit log. */
	caller: Entry['caller'];
	/** The operations of a database. Throws LifeboatError (500) if a setting or its binding is missing. */
	operationsOf(database: string): Operations;
	/** Its engine. Throws the same. */
	engineOf(database: string): Engine;
}

/** A database that a run is done with. */
export type Ended =
	| { database: string; backup: BackupSummary }
	/** The newest backup, where none is due. */
	| { database: string; due: false; backup: BackupSummary }
	| { database: string; error: string; code: string; hint: string };

/** What a run reports: which database is done, and how far another is. */
export type RunProgress = ({ event: 'database' } & Ended) | (BackupProgress & { database: string });

/** What one call has done for a run. */
export interface RunStep {
	/** What the next call continues with; null at the end. */
	state: RunState | null;
	/** The databases that this call is done with. */
	done: Ended[];
	/** Of the whole run so far. */
	databases: RunCounts;
	/** Seconds to wait before the next call, if any. */
	retryAfter?: number;
	/** The names of those that failed, in all calls. */
	failed: string[];
}

/**
 * Takes one step of a backup of all databases, as many of them as one call may. A database that fails
 * does not stop the others. The same state may be used again, by several calls at once too: what was
 * backed up since the run began is not backed up again. The states are plain JSON, which whoever
 * carries them must keep from being changed.
 *
 * Throws `run_changed` (409) if the app's databases are no longer those of the state.
 */
export async function takeRunStep(
	context: RunContext,
	before: RunState,
	report: (progress: RunProgress) => void = () => {},
): Promise<RunStep> {
	requireSame(before, context.databases);
	const total = context.databases.length;
	const call = new RunCall(context, report);
	return watchRun(context.operations, async () => {
		let state: RunState = { ...before, step: before.step + 1 };
		let retryAfter: number | undefined;
		do {
			const place = nextOf(state, total);
			if (place === undefined) break;
			({ state, retryAfter } = await call.take(state, place));
		} while (call.mayGoOn(state));
		const isDone = nextOf(state, total) === undefined;
		return {
			state: isDone ? null : state,
			done: call.done,
			databases: countsOf(state, total),
			...(!isDone && call.pause(retryAfter)),
			failed: state.failed.map((place) => context.databases[place] ?? ''),
		};
	});
}
