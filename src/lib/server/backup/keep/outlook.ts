import type { Engine } from '../engine.ts';
import type { ListedBackup } from '../format/manifest.ts';
import { type Candidate, candidatesOf } from './candidates.ts';
import { type Mark, type Marks, readMarks, removableFrom } from './marks.ts';
import { type Pin, type Pins, readPins } from './pins.ts';
import { type Decision, type Plan, planRetention } from './plan.ts';
import { type Policy, shareOf } from './policy.ts';
import type { Reason } from './reasons.ts';
import { type Action, stepsOf } from './steps.ts';
import { isWhole, survey, type Survey } from './survey.ts';

/** What retention works with. */
export interface Retention {
	policy: Policy;
	/** The age from which the newest backup is too old, in milliseconds. */
	maxAgeMs: number;
	/** Writes to the audit log what is about to happen to these backups. Throws if it cannot. */
	record(
		operation: 'mark' | 'unmark' | 'remove' | 'remove_leftovers',
		backups: readonly string[],
	): Promise<void>;
}

/** What is known of a database's backups, and what a run would do with them now. */
export interface Outlook {
	found: Survey;
	pins: Pins;
	marks: Marks;
	candidates: Candidate[];
	plan: Plan;
	/** By name. */
	actions: ReadonlyMap<string, Action>;
	/** Milliseconds since 1970. */
	now: number;
}

/** A backup as people see it in a plan; times are in UTC. */
export interface PlannedBackup {
	name: string;
	kind: ListedBackup['kind'];
	parent: string | null;
	startedAt: string;
	/** Stored bytes of its own volumes. */
	bytes: number;
	signed: boolean | null;
	/** Whether a proof found it to differ, or files of it are missing. */
	damaged: boolean;
	keep: boolean;
	reasons: Reason[];
	pin: { at: string; note: string } | null;
	mark: ShownMark | null;
	action: Action;
	/** What came of the action; missing in a dry run, and where there was nothing to do. */
	result?: 'done' | 'locked' | 'later';
}

/** A mark as people see it. */
export interface ShownMark {
	at: string;
	by: Mark['by'];
	/** From when the backup may be removed. */
	removableAt: string;
	/** Whether a lock rule of the bucket kept it when it was last tried. */
	locked: boolean;
	/** Whether its removal has begun. */
	removing: boolean;
}

/**
 * Reads what there is, and plans. Reads at most `most` manifests whose summaries are not signed; backups
 * beyond that stay. Throws `pins_forged` (500), `storage_error` (500), and what `mayGoOn` throws.
 */
export async function outlook(
	engine: Engine,
	retention: Retention,
	options: { most: number; mayGoOn?: () => void },
): Promise<Outlook> {
	const [pins, marks] = await Promise.all([readPins(engine), readMarks(engine)]);
	const found = await survey(engine, options);
	return outlookOf({ found, pins, marks }, retention, engine.now());
}

/** Plans from what was read. Pure. */
export function outlookOf(
	{ found, pins, marks }: Pick<Outlook, 'found' | 'pins' | 'marks'>,
	{ policy, maxAgeMs }: Pick<Retention, 'policy' | 'maxAgeMs'>,
	now: number,
): Outlook {
	const { backups } = found;
	const trusted = new Set(backups.filter(({ signed }) => signed).map(({ name }) => name));
	const isBroken = (one: ListedBackup) => one.problem !== undefined || !isWhole(found, one);
	const broken = new Set(backups.filter(isBroken).map(({ name }) => name));
	const candidates = candidatesOf(backups, {
		isTrusted: (name) => trusted.has(name),
		isPinned: (name) => Object.hasOwn(pins, name),
		isRequested: (name) => Object.hasOwn(marks, name) && marks[name]?.by === 'request',
	}).map((one) => (broken.has(one.name) ? asDamaged(one) : one));
	const plan = planRetention(candidates, policy, { now, maxAgeMs });
	const actions = stepsOf({
		plan,
		marks,
		parents: parentsOf(backups),
		isTrusted: (name) => trusted.has(name),
		share: shareOf(policy, trusted.size),
		now,
	});
	return { found, pins, marks, candidates, plan, actions, now };
}

/** Every backup, newest first, as people see it. */
export function plannedBackups(outlook: Outlook): PlannedBackup[] {
	const { found, plan, candidates } = outlook;
	const decisions = new Map(plan.decisions.map((decision) => [decision.name, decision]));
	const damaged = new Set(candidates.filter((one) => one.damaged).map(({ name }) => name));
	return found.backups.map((backup) => {
		const { name } = backup;
		return planned(outlook, backup, {
			decision: decisions.get(name),
			isDamaged: damaged.has(name),
		});
	});
}

/** A pin as people see it. */
export function showPin({ at, note }: Pin): { at: string; note: string } {
	return { at: new Date(at).toISOString(), note };
}

/** A mark as people see it. */
export function showMark(mark: Mark): ShownMark {
	return {
		at: new Date(mark.at).toISOString(),
		by: mark.by,
		removableAt: new Date(removableFrom(mark)).toISOString(),
		locked: mark.lockedAt !== undefined,
		removing: mark.removing ?? false,
	};
}

function planned(
	{ pins, marks, actions }: Outlook,
	backup: ListedBackup,
	{ decision, isDamaged }: { decision: Decision | undefined; isDamaged: boolean },
): PlannedBackup {
	const { name, kind, parent, startedAt, bytes, signed } = backup;
	const [pin, mark] = [pins[name], marks[name]];
	return {
		...{ name, kind, parent, startedAt, bytes, signed },
		damaged: isDamaged,
		keep: decision?.keep ?? true,
		reasons: decision?.reasons ?? [],
		pin: pin ? showPin(pin) : null,
		mark: mark ? showMark(mark) : null,
		action: actions.get(name) ?? 'keep',
	};
}

/** A backup of which files are missing, or its parent, proves nothing any more, whatever its proofs say. */
function asDamaged(candidate: Candidate): Candidate {
	return { ...candidate, damaged: true, drilledAt: null, provenAt: null };
}

/** A forged differential must not hold a backup; one that was not checked may be the app's own. */
function parentsOf(backups: readonly ListedBackup[]): Map<string, string> {
	const based = backups.filter(({ signed, parent }) => signed !== false && parent !== null);
	return new Map(based.map(({ name, parent }) => [name, parent ?? '']));
}
