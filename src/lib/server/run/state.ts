import { createHash } from 'node:crypto';
import * as v from 'valibot';
import { KIND_CHOICES, type KindChoice } from '../backup/make/parent.ts';
import { LifeboatError } from '../errors.ts';

/** Databases that are tried once more at the end of a run: if more fail, that is not bad luck. */
const MAX_AGAIN = 20;

const Count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

/** The schema of {@link RunState}. */
export const RunStateSchema = v.object({
	/** When the run began, in milliseconds since 1970. */
	startedAt: Count,
	/** `due`: only databases whose newest backup is old enough are backed up. */
	when: v.picklist(['always', 'due']),
	/** Which kind of backup each of them gets. */
	kind: v.optional(v.picklist(KIND_CHOICES), 'auto'),
	/** Stands for the names of the databases and their order. */
	databases: v.string(),
	/** Calls so far. */
	step: Count,
	/** How many of all databases, and then of `again`, are behind the run. */
	position: Count,
	/** Those that are tried once more at the end, by their places in the list. */
	again: v.array(Count),
	/** Those that failed for good. */
	failed: v.array(Count),
	/** The ticket of the backup that the database at `position` has begun. */
	ticket: v.nullable(v.string()),
	/** Failed tries of that database since the run reached it. */
	tries: Count,
	/** Rows that the finished backups have read: D1 counts them by the day. */
	rowsRead: Count,
	/** Whether any backup has begun. */
	begun: v.boolean(),
});

/** A backup of all databases, one after the other, as one call leaves it to the next: plain JSON. */
export type RunState = v.InferOutput<typeof RunStateSchema>;

/** How many databases are done, which includes those for which no backup was due. */
export interface RunCounts {
	done: number;
	failed: number;
	total: number;
}

/** A run that has not begun. */
export function newRun(
	databases: readonly string[],
	{ when, kind = 'auto', now }: Pick<RunState, 'when'> & { kind?: KindChoice; now: number },
): RunState {
	return {
		startedAt: now,
		when,
		kind,
		databases: fingerprint(databases),
		step: 0,
		position: 0,
		again: [],
		failed: [],
		ticket: null,
		tries: 0,
		rowsRead: 0,
		begun: false,
	};
}

/**
 * Throws `run_changed` (409) if a run began with other databases than these: its state names them by
 * their places.
 */
export function requireSame(run: RunState, names: readonly string[]): void {
	if (isOf(run, names)) return;
	throw new LifeboatError('The databases of the app have changed since this run began.', {
		code: 'run_changed',
		status: 409,
		hint: 'Start a new one. The backups that were made stay.',
	});
}

/** Whether a run began with these databases. */
export function isOf({ databases }: RunState, names: readonly string[]): boolean {
	return databases === fingerprint(names);
}

/** The place in the list of the database that is next; undefined at the end of the run. */
export function nextOf({ position, again }: RunState, total: number): number | undefined {
	return position < total ? position : again[position - total];
}

/** Whether a run has come to the databases that it tries once more. */
export function isSecondTry({ position }: RunState, total: number): boolean {
	return position >= total;
}

/** The run after the database at its position. */
export function passed(state: RunState): RunState {
	return { ...state, position: state.position + 1, ticket: null, tries: 0 };
}

/** The run after the database at its position has failed for good. */
export function failedAt(state: RunState, place: number): RunState {
	return { ...passed(state), failed: [...state.failed, place] };
}

/** The run that tries the database at its position once more at its end; null for one more than it does. */
export function postponed(state: RunState, place: number): RunState | null {
	if (state.again.length >= MAX_AGAIN) return null;
	return { ...passed(state), again: [...state.again, place] };
}

export function countsOf({ position, again, failed }: RunState, total: number): RunCounts {
	const first = Math.min(position, total);
	const left = again.length - (position - first);
	return { done: first - left - failed.length, failed: failed.length, total };
}

function fingerprint(databases: readonly string[]): string {
	return createHash('sha256').update(JSON.stringify(databases)).digest('base64url').slice(0, 22);
}
