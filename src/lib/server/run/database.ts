import type { BackupStep, Engine } from '../backup/engine.ts';
import { type BackupSummary, summarize } from '../backup/format/manifest.ts';
import { resumeBackup, startBackup } from '../backup/index.ts';
import { countedBucket } from '../backup/metered.ts';
import { type LifeboatError, toLifeboatError } from '../errors.ts';
import { type Entry, factsOf, record } from '../operations/audit-log.ts';
import { isUndue, newestBackup } from '../operations/due.ts';
import type { Operations } from '../operations/index.ts';
import { watchBackup, type Watched } from '../operations/watch.ts';
import { countedDatabase, hasRoom, USED_SHARE, whatIsLeft } from './meter.ts';
import { failedAt, isSecondTry, passed, postponed, type RunState } from './state.ts';
import { type Ended, type RunCall, runName, type Taken } from './call.ts';

/**
 * Seconds between the tries of a backup that has begun, or that another call is making. The last one
 * outlasts the lock of a Worker that died; after it the database has failed.
 */
const PAUSES = [15, 60, 300];
/** The same where calls must be few. */
const FAR_APART = [300, 300];

/**
 * Calls of D1 and R2 after which no other database is looked at: the paid plan allowed 1,000 in one
 * invocation before it allowed 10,000, and an account may still set that (Workers > Limits).
 */
const MAX_CALLS = 900;

/** A look at one database. */
interface Look {
	state: RunState;
	place: number;
	database: string;
	/** Milliseconds since 1970. */
	since: number;
}

/** That nothing needs to be made, or that this call has no room for it. */
type Nothing = { known: BackupSummary; isUndue: boolean } | { full: true };

/**
 * Backs up the database of a place, or takes one step of that, unless it has a backup since the run
 * began, or none is due. A failure is a result; it throws only what a report throws.
 */
export async function takeDatabase(call: RunCall, state: RunState, place: number): Promise<Taken> {
	const { context, report } = call;
	const database = context.databases[place] ?? '';
	const look = { state, place, database, since: context.operations.now() };
	try {
		const operations = counted(context.operationsOf(database), call);
		const result = await watchBackup<Nothing>(
			operations,
			(progress) => report({ ...progress, database }),
			(watched) => backUp(call, look, operations, watched),
		);
		if ('full' in result) return { state, ends: true };
		if ('known' in result) {
			const { known: backup, isUndue } = result;
			return end(call, passed(state), { database, ...(isUndue && { due: false }), backup });
		}
		return await after(call, look, result);
	} catch (error) {
		if (call.isGone) throw error;
		return fail(call, look, toLifeboatError(error));
	}
}

/** The operations, whose calls of D1 and R2 count. */
function counted(operations: Operations, { used }: RunCall): Operations {
	const { bucket, database, auditLog } = operations;
	return {
		...operations,
		database: countedDatabase(database, used),
		bucket: countedBucket(bucket, used),
		auditLog: countedBucket(auditLog, used),
	};
}

/** The engine, whose calls count, with what is left of the budget of this call. */
function engineFor({ context, used, startedAt }: RunCall, { state, database }: Look): Engine {
	const engine = context.engineOf(database);
	const milliseconds = engine.now() - startedAt;
	return {
		...engine,
		database: countedDatabase(engine.database, used),
		bucket: countedBucket(engine.bucket, used),
		budget: whatIsLeft(context.budget, { ...used, milliseconds, rowsRead: state.rowsRead }),
	};
}

/** Takes a step of the backup, if one is needed and this call may still begin it. */
async function backUp(
	call: RunCall,
	look: Look,
	operations: Operations,
	{ report, prune }: Watched,
): Promise<BackupStep | Nothing> {
	const { state } = look;
	if (state.ticket !== null) {
		call.hasWorked = true;
		const engine = engineFor(call, look);
		return resumeBackup(engine, state.ticket, report, { afterwards: prune(engine) });
	}
	const isFirst = !call.hasWorked && call.done.length === 0;
	if (!isFirst && !mayLook(call)) return { full: true };
	const known = await knownBackup(look, operations);
	if (known) return known;
	if (!isFirst && !mayBegin(call, look)) return { full: true };
	if (!state.begun && !call.hasWorked) call.notifications.start(runName(state.startedAt));
	call.hasWorked = true;
	const engine = engineFor(call, look);
	return startBackup(engine, report, { kind: state.kind, afterwards: prune(engine) });
}

/** The newest backup, if it is from this run, or if none is due. */
async function knownBackup({ state }: Look, operations: Operations): Promise<Nothing | null> {
	const { settings, now, keys } = operations;
	keys(); // throws before anything is read
	const newest = await newestBackup(operations);
	if (newest === undefined) return null;
	if (Date.parse(newest.startedAt) >= state.startedAt) return { known: newest, isUndue: false };
	const undue = state.when === 'due' && isUndue(newest, settings.maxAgeMs, now());
	return undue ? { known: newest, isUndue: true } : null;
}

/** Whether this call may look at one more database. */
function mayLook({ context, used, startedAt }: RunCall): boolean {
	if (used.calls > MAX_CALLS) return false;
	return hasRoom(context.budget, used, context.operations.now() - startedAt, 1);
}

/** Whether it may back up one more. A second try gets all that a call has. */
function mayBegin({ context, used, startedAt }: RunCall, { state }: Look): boolean {
	if (isSecondTry(state, context.databases.length)) return false;
	return hasRoom(context.budget, used, context.operations.now() - startedAt, USED_SHARE);
}

/** The run after a step of a backup. */
async function after(call: RunCall, look: Look, step: BackupStep): Promise<Taken> {
	const { state, database } = look;
	if (!('manifest' in step)) {
		await log(call, look, { outcome: 'done', status: 202 });
		const { resume: ticket, retryAfter } = step;
		return { state: { ...state, ticket, tries: 0 }, ends: true, retryAfter };
	}
	const { manifest } = step;
	const backup = summarize(manifest);
	call.used.bytes += backup.sqlBytes;
	await log(call, look, { outcome: 'done', status: 201, ...factsOf(backup) });
	const rowsRead = state.rowsRead + manifest.cost.rowsRead;
	return end(call, passed({ ...state, rowsRead }), { database, backup });
}

/** The run after a database failed: it is tried again, if that may help. */
async function fail(call: RunCall, look: Look, error: LifeboatError): Promise<Taken> {
	const { state, place, database } = look;
	const { code, status } = error;
	await log(call, look, { outcome: 'failed', status, code });
	return (
		again(call, look, error) ?? end(call, failedAt(state, place), { database, ...error.toJSON() })
	);
}

/** The run that tries the database again, here or at its end; null if that would not help. */
function again({ context }: RunCall, { state, place }: Look, error: LifeboatError): Taken | null {
	const { retryable, code } = error;
	const isTicketGone = code === 'snapshot_unstable' || code.startsWith('ticket_');
	if (!retryable && !isTicketGone && code !== 'internal_error') return null;
	const ticket = isTicketGone ? null : state.ticket;
	const total = context.databases.length;
	if (ticket === null && !isSecondTry(state, total)) {
		const later = postponed(state, place);
		return later && { state: later };
	}
	if (ticket === null && code !== 'backup_running') return null;
	const pauses = context.budget.pause > 0 ? FAR_APART : PAUSES;
	const retryAfter = pauses[state.tries];
	if (retryAfter === undefined) return null;
	return { state: { ...state, ticket, tries: state.tries + 1 }, ends: true, retryAfter };
}

function end({ done, report }: RunCall, state: RunState, ended: Ended): Taken {
	done.push(ended);
	report({ event: 'database', ...ended });
	return { state };
}

/** Writes what happened to a database into the audit log. */
async function log(
	{ context }: RunCall,
	{ state, database, since }: Look,
	facts: Pick<Entry, 'outcome' | 'status'> & Partial<Entry>,
): Promise<void> {
	const { operations, caller } = context;
	const now = operations.now();
	await record(operations.auditLog, {
		time: new Date(now).toISOString(),
		operation: state.ticket === null ? 'backup' : 'resume',
		durationMs: now - since,
		...(context.databases.length > 1 && { database }),
		caller,
		...facts,
	});
}
