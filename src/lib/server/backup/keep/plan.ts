import type { Candidate } from './candidates.ts';
import { blockOf, floorsOf, NO_POLICY, type PlanContext } from './floors.ts';
import type { Policy } from './policy.ts';
import type { Reason } from './reasons.ts';
import { applyRules } from './rules.ts';

const NO_RULE: Reason = { code: 'no_rule', text: 'no rule keeps it' };
const REQUESTED: Reason = { code: 'requested', text: 'its removal was requested' };

/** What happens to one backup, and why: each reason to keep it, or the one why it goes. */
export interface Decision {
	name: string;
	keep: boolean;
	reasons: Reason[];
}

/** What retention would do now. */
export interface Plan {
	/** Newest first, so a differential before its parent. While `blocked`, each of them says keep. */
	decisions: Decision[];
	/** Why nothing at all is removed; null if removals may go on. */
	blocked: Reason | null;
}

/**
 * Plans retention: which backups stay, which go, and why. Pure; nothing is removed here. Rules work as in
 * restic's `forget`, in UTC. The floors hold whatever the rules say; docs/retention.md lists them.
 */
export function planRetention(
	candidates: readonly Candidate[],
	policy: Policy,
	context: PlanContext,
): Plan {
	const newestFirst = candidates.toSorted(byAge);
	const blocked = blockOf(newestFirst, policy, context);
	const rules = rulesOf(newestFirst, policy, context);
	const floors = floorsOf(newestFirst, policy, context);
	const children = new Map<string, string[]>();
	// A backup comes before the one that it is based on, which is older.
	const decisions = newestFirst.map((candidate): Decision => {
		const { name, parent, requested } = candidate;
		const needed = neededBy(children.get(name) ?? []);
		const reasons = [...(rules.get(name) ?? []), ...floors(candidate), ...needed];
		if (reasons.length === 0 && blocked) return { name, keep: true, reasons: [blocked] };
		if (reasons.length === 0)
			return { name, keep: false, reasons: [requested ? REQUESTED : NO_RULE] };
		if (parent !== null) children.set(parent, [...(children.get(parent) ?? []), name]);
		return { name, keep: true, reasons };
	});
	return { decisions, blocked };
}

/**
 * Why the rules keep backups, by name. Where some are damaged, or lack what they are based on, the rules
 * are also applied to the others alone, so that no period is left with a damaged backup only.
 */
function rulesOf(
	newestFirst: readonly Candidate[],
	{ rules }: Policy,
	{ now }: PlanContext,
): Map<string, Reason[]> {
	const counted = newestFirst.filter(
		({ trusted, requested, startedAt }) => trusted && !requested && startedAt <= now,
	);
	if (rules === null) return new Map(counted.map(({ name }) => [name, [NO_POLICY]]));
	const isSound = soundness(newestFirst);
	const reasons = applyRules(counted, rules);
	for (const [name, instead] of applyRules(counted.filter(isSound), rules)) {
		if (!reasons.has(name)) reasons.set(name, instead.map(inPlaceOfDamaged));
	}
	return reasons;
}

/** Whether a backup can be restored, as far as its proofs and those of its parent say. */
function soundness(candidates: readonly Candidate[]): (candidate: Candidate) => boolean {
	const damaged = new Map(candidates.map(({ name, damaged }) => [name, damaged]));
	return (one) => !one.damaged && (one.parent === null || damaged.get(one.parent) === false);
}

function inPlaceOfDamaged({ code, text }: Reason): Reason {
	return { code, text: `${text}, in place of a damaged one` };
}

/** The differentials that need a full backup, newest first. */
function neededBy(names: string[]): Reason[] {
	const [newest] = names;
	if (newest === undefined) return [];
	const others = names.length - 1;
	const text = others === 0 ? `needed by ${newest}` : `needed by ${newest} and ${others} more`;
	return [{ code: 'needed', text }];
}

/** The newest first; of two from the same moment, as in the list. */
function byAge(a: Candidate, b: Candidate): number {
	return b.startedAt - a.startedAt || (a.name < b.name ? 1 : -1);
}
