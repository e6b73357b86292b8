import * as v from 'valibot';
import type { StateKind } from '../backup/storage/state.ts';

// What the app does by itself, as one turn leaves it to the next: an object in its bucket, so that a tick
// that has nothing to do costs one read. All times are in milliseconds since 1970.

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** Turns in a row that were killed, after which the backup under way is given up. */
export const MAX_TRIES = 5;
/** How long a Workflow may be silent before the ticks take over: longer than its retries take. */
const DRIVEN_MS = 20 * 60_000;

const Count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

const PlanSchema = v.object({
	/** When to look again. */
	next: Count,
	/** The run over all databases that is under way, signed: others may write to the bucket too. */
	run: v.nullable(v.string()),
	/** Whether that has made a backup. */
	hasMade: v.boolean(),
	/** Runs in a row in which a backup failed. */
	failedRuns: Count,
	/** The databases whose newest backup may have to be drilled. */
	drills: v.array(v.string()),
	/** When all of them were last on that list. */
	drillsAt: Count,
	/** Turns that were begun since one has ended. */
	tries: Count,
	/** Until when a Workflow takes the turns. */
	drivenUntil: Count,
});
export type Plan = v.InferOutput<typeof PlanSchema>;

export const PLAN: StateKind<Plan> = {
	key: 'operations/plan.json',
	schema: PlanSchema,
	empty: {
		next: 0,
		run: null,
		hasMade: false,
		failedRuns: 0,
		drills: [],
		drillsAt: 0,
		tries: 0,
		drivenUntil: 0,
	},
};

/** No turn plans to rest for longer. */
const LONGEST_MS = DAY_MS + HOUR_MS;

/**
 * The plan as it was read, without times that no turn of this app has set. Anyone who can write to the
 * bucket could delay every backup with such times.
 */
export function credible(plan: Plan, now: number): Plan {
	const isCredible = Math.max(plan.next, plan.drivenUntil, plan.drillsAt) <= now + LONGEST_MS;
	return isCredible ? plan : PLAN.empty;
}

/** Who takes turns: the schedule's ticks, or a Workflow. */
export type Driver = 'tick' | 'workflow';

/**
 * The plan while a turn runs. It is written first, because the turn may be killed: the next one then goes
 * on with the same backup, a few times, but leaves out the drill, which may be too large for one call.
 */
export function begun(plan: Plan, driver: Driver, now: number): Plan {
	const tries = plan.tries + 1;
	const drivenUntil = endOfDrive(driver, 0, now);
	const drills = plan.run === null ? plan.drills.slice(1) : plan.drills;
	if (tries <= MAX_TRIES) return { ...plan, tries, drills, drivenUntil };
	const { failedRuns, drillsAt } = plan;
	const next = now + HOUR_MS;
	return { ...PLAN.empty, failedRuns: failedRuns + 1, drillsAt, next, drivenUntil };
}

/** Until when the ticks leave the turns to their driver, whose next one comes after `wait` milliseconds. */
export function endOfDrive(driver: Driver, wait: number | null, now: number): number {
	return driver === 'workflow' && wait !== null ? now + wait + DRIVEN_MS : 0;
}

/** How a run ended. */
export interface RunEnd {
	hasMade: boolean;
	hasFailed: boolean;
	/** The databases that can be drilled. */
	drillable: readonly string[];
	/** How long the plan wants the app to rest after work. */
	pause: number;
	maxAgeMs: number;
}

/**
 * The plan after a run. What failed rests for an hour, each time twice as long, at most a day; on the free
 * plan a day, because each try may read most of the rows that it has a day.
 */
export function ended(plan: Plan, end: RunEnd, now: number): Plan {
	const { hasMade, hasFailed, drillable, pause, maxAgeMs } = end;
	const failedRuns = hasFailed ? plan.failedRuns + 1 : 0;
	const rest = pause > 0 ? DAY_MS : Math.min(DAY_MS, HOUR_MS * 2 ** (failedRuns - 1));
	const isTimeToDrill = hasMade || plan.drillsAt + DAY_MS <= now;
	const drills = isTimeToDrill && !hasFailed ? [...drillable] : [];
	// An idle look every hour: somebody else may have found a backup damaged.
	let wait = Math.min(HOUR_MS, maxAgeMs / 4);
	if (drills.length > 0) wait = hasMade ? pause : 0;
	if (hasFailed) wait = rest;
	return {
		...settled(plan),
		...{ run: null, hasMade: false, failedRuns, drills, next: Math.ceil(now + wait) },
		drillsAt: drills.length > 0 ? now : plan.drillsAt,
	};
}

/** The plan after a turn that was not killed. */
export function settled(plan: Plan): Plan {
	return { ...plan, tries: 0 };
}

/** Milliseconds until the next turn; null if there is nothing under way. */
export function waitOf({ run, drills, next }: Plan, now: number): number | null {
	return run === null && drills.length === 0 ? null : Math.max(0, next - now);
}
