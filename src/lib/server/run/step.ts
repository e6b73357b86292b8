import { rememberBackups } from '../operations/looks.ts';
import { Notifications } from '../operations/notifications.ts';
import { type Ended, type RunCall, type RunContext, runName, type Taken } from './call.ts';
import { takeDatabase } from './database.ts';
import { countsOf, nextOf, requireSame, type RunCounts, type RunState } from './state.ts';

/** What one call has done for a run. */
export interface RunStep {
	/** What the next call continues with; null at the end of the run. */
	state: RunState | null;
	/** The databases that this call is done with. */
	done: Ended[];
	/** How many the run is done with so far. */
	databases: RunCounts;
	/** The names of all that have failed so far. */
	failed: string[];
	/** Seconds to wait before the next call, if any. */
	retryAfter?: number;
}

/**
 * Takes one step of a backup of all databases: as many of them as one call may. A database that fails
 * does not stop the others. The same state may be used again, by several calls at once too: what was
 * backed up since the run began is not backed up again. The state is plain JSON: the
 * caller must protect it from changes by others.
 *
 * Throws `run_changed` (409) if the app's databases are no longer those of the state, and what `report`
 * throws, which ends the call.
 */
export async function takeRunStep(
	context: RunContext,
	before: RunState,
	report: RunCall['report'] = () => {},
): Promise<RunStep> {
	const { databases, operations } = context;
	requireSame(before, databases);
	const call: RunCall = {
		...{ context, done: [], hasWorked: false, isGone: false },
		report(progress) {
			try {
				report(progress);
			} catch (error) {
				call.isGone = true;
				throw error;
			}
		},
		used: { calls: 0, queries: 0, bytes: 0 },
		startedAt: operations.now(),
		notifications: new Notifications(operations),
	};
	let taken: Taken = { state: { ...before, step: before.step + 1 } };
	let place = nextOf(taken.state, databases.length);
	while (place !== undefined && !taken.ends) {
		taken = await takeDatabase(call, taken.state, place);
		place = nextOf(taken.state, databases.length);
	}
	const begun = taken.state.begun || call.hasWorked;
	const step = stepOf(call, { ...taken, state: { ...taken.state, begun } }, place === undefined);
	if (databases.length > 1) await rememberBackups(operations, call.done.filter(hasBackup));
	await notify(call, before.startedAt, { begun, step });
	return step;
}

function hasBackup(ended: Ended): ended is Extract<Ended, { backup: object }> {
	return 'backup' in ended;
}

function stepOf(call: RunCall, { state, retryAfter }: Taken, isDone: boolean): RunStep {
	const { databases, budget } = call.context;
	const pause = retryAfter ?? (call.hasWorked ? Math.ceil(budget.pause / 1000) : 0);
	return {
		state: isDone ? null : state,
		done: call.done,
		databases: countsOf(state, databases.length),
		failed: state.failed.map((place) => databases[place] ?? ''),
		...(!isDone && pause > 0 && { retryAfter: pause }),
	};
}

/** Sends the pings: a monitor sees a run as one backup, which fails if one of its databases does. */
async function notify(
	{ notifications }: RunCall,
	startedAt: number,
	{ begun, step }: { begun: boolean; step: RunStep },
): Promise<void> {
	const { state, failed } = step;
	const name = runName(startedAt);
	if (state === null && failed.length > 0) {
		notifications.end('fail', name, `Failed databases: ${failed.join(', ')}`);
	} else if (state === null && begun) {
		notifications.end('success', name);
	}
	await notifications.sendAll();
}
