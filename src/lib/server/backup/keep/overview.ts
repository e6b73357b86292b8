import { LifeboatError } from '../../errors.ts';
import type { ListedBackup } from '../format/manifest.ts';
import { MAX_CLOCK_DRIFT_MS } from '../storage/list.ts';
import { readMarks } from './marks.ts';
import { type Outlook, outlookOf, plannedBackups, type PlannedBackup } from './outlook.ts';
import { type Pins, readPins } from './pins.ts';
import { type Decision, type Plan, planRetention } from './plan.ts';
import { type Policy, printPolicy, SEED_POLICY } from './policy.ts';
import type { Reason } from './reasons.ts';
import type { SignedContext } from './signed-state.ts';
import { survey } from './survey.ts';

/** A listed backup, and what retention does with it. */
export type KeptBackup = ListedBackup &
	Pick<PlannedBackup, 'keep' | 'reasons' | 'pin' | 'mark'> & {
		/** What the usual policy would do; only where none is set. */
		suggested?: Pick<Decision, 'keep' | 'reasons'>;
	};

/** What retention does with the backups of a database. */
export interface RetentionSummary {
	/** The rules by name, such as `{"daily":7}`; null if none is set. */
	policy: Record<string, number | string> | null;
	/** How many backups go, once their grace is over. */
	removable: number;
	/** Why nothing is removed now; null if removals may go on. */
	blocked: Reason | null;
	/** The usual policy, and what it would do; only where none is set. */
	suggested?: Omit<RetentionSummary, 'suggested'>;
}

const PINS_FORGED: Reason = { code: 'pins_forged', text: 'which ones are pinned is not known' };

/**
 * The complete backups, newest first, and what retention does with each. Reads at most `most` manifests whose
 * summaries are not signed; backups beyond that stay. Throws `storage_error` (500).
 */
export async function readOverview(
	context: SignedContext,
	settings: { policy: Policy; maxAgeMs: number },
	{ most }: { most: number },
): Promise<{ backups: KeptBackup[]; retention: RetentionSummary }> {
	const [pins, marks] = await Promise.all([knownPins(context), readMarks(context)]);
	const found = await survey(context, { most });
	const now = context.now();
	const outlook = outlookOf({ found, pins: pins ?? {}, marks }, settings, now);
	const suggested = suggestedPlan(outlook, settings);
	const backups = keptBackups(outlook, suggested).map((one) => (pins ? one : held(one)));
	return {
		backups: backups.filter(({ startedAt }) => Date.parse(startedAt) <= now + MAX_CLOCK_DRIFT_MS),
		retention: {
			...summaryOf(outlook.plan, settings.policy),
			...(!pins && { removable: 0, blocked: PINS_FORGED }),
			...(suggested && { suggested: summaryOf(suggested, SEED_POLICY) }),
		},
	};
}

/** Null if the app has not signed them: then nothing is removed. */
async function knownPins(context: SignedContext): Promise<Pins | null> {
	try {
		return await readPins(context);
	} catch (error) {
		if (error instanceof LifeboatError && error.code === 'pins_forged') return null;
		throw error;
	}
}

/** What the usual policy would do; null if another one is set. */
function suggestedPlan(
	{ candidates, now }: Outlook,
	{ policy, maxAgeMs }: { policy: Policy; maxAgeMs: number },
): Plan | null {
	if (policy.rules !== null) return null;
	return planRetention(candidates, { ...policy, rules: SEED_POLICY.rules }, { now, maxAgeMs });
}

function keptBackups(outlook: Outlook, suggested: Plan | null): KeptBackup[] {
	const suggestions = new Map(suggested?.decisions.map((decision) => [decision.name, decision]));
	const planned = plannedBackups(outlook);
	return outlook.found.backups.flatMap((backup, index) => {
		const plan = planned[index];
		if (!plan) return [];
		const { keep, reasons, pin, mark } = plan;
		const suggestion = suggestions.get(backup.name);
		return {
			...{ ...backup, keep, reasons, pin, mark },
			...(suggestion && { suggested: { keep: suggestion.keep, reasons: suggestion.reasons } }),
		};
	});
}

function held(backup: KeptBackup): KeptBackup {
	return backup.keep ? backup : { ...backup, keep: true, reasons: [PINS_FORGED] };
}

function summaryOf({ decisions, blocked }: Plan, policy: Policy): RetentionSummary {
	const removable = decisions.filter(({ keep }) => !keep).length;
	return { policy: printPolicy(policy), removable, blocked };
}
