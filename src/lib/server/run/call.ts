import type { BackupProgress, Budget, Engine } from '../backup/engine.ts';
import type { BackupSummary } from '../backup/format/manifest.ts';
import type { Entry } from '../operations/audit-log.ts';
import type { Operations } from '../operations/index.ts';
import type { Notifications } from '../operations/notifications.ts';
import type { Used } from './meter.ts';
import type { RunState } from './state.ts';

/** What a run works with. */
export interface RunContext {
	/** The names of all databases, in the order of the run. */
	databases: readonly string[];
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
	/** No backup was due: `backup` is the newest one. */
	| { database: string; due: false; backup: BackupSummary }
	| { database: string; error: string; code: string; hint: string };

/** What a run reports: which database it is done with, and how far it is with another. */
export type RunProgress = ({ event: 'database' } & Ended) | (BackupProgress & { database: string });

/** One call of a run. */
export interface RunCall {
	context: RunContext;
	report(progress: RunProgress): void;
	/** Whether a report has thrown, because nobody listens any more. */
	isGone: boolean;
	used: Used;
	/** Milliseconds since 1970. */
	startedAt: number;
	done: Ended[];
	/** Whether it has taken a step of any backup. */
	hasWorked: boolean;
	notifications: Notifications;
}

/** The run after a look at one database. */
export interface Taken {
	state: RunState;
	/** Whether the call ends here. */
	ends?: boolean;
	/** Seconds to wait before the next one, if it has to be so long. */
	retryAfter?: number | undefined;
}

/** How pings of one run are recognised as such. */
export function runName(startedAt: number): string {
	return `run ${startedAt}`;
}
