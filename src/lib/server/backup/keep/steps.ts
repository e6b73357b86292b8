import { type Mark, type Marks, removableFrom } from './marks.ts';
import type { Decision, Plan } from './plan.ts';

/** How long a backup that a lock rule keeps is not tried again, in milliseconds. */
const LOCKED_MS = 24 * 3_600_000;

/**
 * What one run does with a backup: nothing (`keep`, and `leave` for one that does not count), withdraw its
 * mark, mark it, wait for the end of its grace or for what holds it, remove it, or leave it to a later run
 * because this one has done its share.
 */
export type Action = 'keep' | 'leave' | 'unmark' | 'mark' | 'wait' | 'remove' | 'later';

/** What steps are made from. */
export interface StepsContext {
	plan: Plan;
	marks: Marks;
	/** The backup that each one is based on, if any, by name; without forged ones. */
	parents: ReadonlyMap<string, string>;
	/** Whether a backup counts: whether it is known to be the app's own. */
	isTrusted(name: string): boolean;
	/** How many backups this run may mark, and how many it may remove. */
	share: number;
	/** Milliseconds since 1970. */
	now: number;
}

/** What a run does with each backup, in the order in which it does so. Pure. */
export function stepsOf(context: StepsContext): Map<string, Action> {
	const { share } = context;
	const actions = new Map<string, Action>();
	let [marks, removals] = [share, share];
	for (const decision of oldestFirst(context)) {
		let action = actionOf(context, decision);
		if (action === 'remove' && isNeeded(context, actions, decision.name)) action = 'wait';
		if (action === 'mark' && marks-- <= 0) action = 'later';
		if (action === 'remove' && removals-- <= 0) action = 'later';
		actions.set(decision.name, action);
	}
	return actions;
}

/** The oldest first, but a differential before the backup that it is based on. */
function oldestFirst({ plan, parents }: StepsContext): Decision[] {
	const isBased = ({ name }: Decision) => parents.has(name);
	const oldest = plan.decisions.toReversed();
	return [...oldest.filter(isBased), ...oldest.filter((one) => !isBased(one))];
}

function actionOf(context: StepsContext, { name, keep }: Decision): Action {
	const { plan, marks, now } = context;
	const mark = marks[name];
	if (!context.isTrusted(name)) return 'leave';
	if (mark === undefined) return keep ? 'keep' : 'mark';
	if (keep) return isOutdated(mark, plan) ? 'unmark' : 'wait';
	return isDue(mark, now) ? 'remove' : 'wait';
}

/**
 * Whether a mark no longer holds: a rule keeps the backup again. What a person asked for stays, and so does
 * a mark while retention is blocked for a time.
 */
function isOutdated({ by }: Mark, { blocked }: Plan): boolean {
	return by === 'rule' && (blocked === null || blocked.code === 'no_policy');
}

function isDue(mark: Mark, now: number): boolean {
	const { lockedAt } = mark;
	const isLocked = lockedAt !== undefined && lockedAt <= now && now - lockedAt < LOCKED_MS;
	return removableFrom(mark) <= now && !isLocked;
}

/** Whether a backup is based on this one that this run does not remove; its mark may be withdrawn yet. */
function isNeeded({ parents }: StepsContext, actions: Map<string, Action>, name: string): boolean {
	return parents.entries().some(([child, parent]) => {
		return parent === name && actions.get(child) !== 'remove';
	});
}
