import type { Engine, Held } from '../engine.ts';
import { mayGoOn, readLock } from '../storage/lock.ts';
import { fitting, type Leftovers, leftoversOf, removeLeftovers } from './leftovers.ts';
import { asNotBegun, changeMarks, type Mark, type Marks } from './marks.ts';
import {
	outlook,
	type Outlook,
	type PlannedBackup,
	plannedBackups,
	type Retention,
} from './outlook.ts';
import { shareOf } from './policy.ts';
import type { Reason } from './reasons.ts';
import { type Removed, removeBackups } from './removal.ts';
import type { Action } from './steps.ts';
import { MAX_KEYS_PER_DELETE } from '../limits.ts';
import { hasManifest } from './survey.ts';

/** Names in one entry of the audit log, whose metadata has a limit (R2 > Limits). */
const NAMES_PER_ENTRY = 100;
/** Manifests without signed summaries that one run reads. */
const MAX_READ = 10;
/** Calls that a run needs to begin with: pins, marks, a list of each kind, and what may be left after it. */
const ROOM_TO_BEGIN = 8;
/** Calls that each page of the list leaves: for one more, and to mark, with an entry of the audit log. */
const ROOM_TO_LIST = 4;
/** Calls besides the audit log to mark: marks are read and written. */
const ROOM_TO_MARK = 2;
/**
 * Calls besides the audit log to mark and remove: pins, the lock, manifests of either kind, volumes, proofs,
 * and twice the marks.
 */
const ROOM_TO_REMOVE = 10;

/** What a run has done, or would do. */
export interface Pruned {
	/** Why nothing is removed now; null if removals may go on. */
	blocked: Reason | null;
	/** Every backup, newest first, as the run found it. */
	backups: PlannedBackup[];
	/** Names of those that it has marked, whose marks it has withdrawn, and that it has removed. */
	marked: string[];
	unmarked: string[];
	removed: string[];
	/** Those that a lock rule of the bucket keeps. */
	locked: string[];
	/** How many are left to later runs, because this one has done its share. */
	later: number;
	/** Names of backups that do not exist, of which something was left that is removed now. */
	leftovers: string[];
}

/** What a run would do now. Throws `pins_forged` (500), `storage_error` (500). */
export async function previewPrune(engine: Engine, retention: Retention): Promise<Pruned> {
	const view = await outlook(engine, retention, { most: MAX_READ });
	const of = (action: Action) => namesFor(view, action);
	const later = of('later').length;
	const nothing = { marked: [], unmarked: [], removed: [], locked: [] };
	const lock = await readLock(engine.bucket, 'backup');
	const running = lock && mayGoOn(lock, engine.now()) ? lock.name : null;
	const leftovers = namesOf(removableLeftovers(view, retention, running));
	return {
		blocked: view.plan.blocked,
		backups: plannedBackups(view),
		...nothing,
		later,
		leftovers,
	};
}

/**
 * Marks what no rule keeps, and removes what was marked long enough ago if today's plan still says so. Both
 * are in the audit log before they happen. Null if there is no room for a run. The caller holds the lock of
 * backups.
 *
 * Throws `pins_forged` (500), `lock_lost` (409), `storage_error` (500), `state_contended` (503); the next run
 * finishes what this one has begun.
 */
export async function prune(
	engine: Engine,
	retention: Retention,
	held: Held,
): Promise<Pruned | null> {
	const view = await roomyOutlook(engine, retention, held);
	if (view === null) return null;
	const wanted = wantedOf(view, held.room());
	for (const operation of ['unmark', 'mark', 'remove'] as const) {
		await recordAll(retention, operation, wanted[operation]);
	}
	const { marks, markedAt } = await writeMarks(engine, view, wanted);
	const names = wanted.remove.filter((name) => marks[name]?.removing);
	const { unfinished } = wanted;
	let done: Removed = { removed: [], locked: [] };
	if (names.length + unfinished.length > 0) {
		const context = { engine, found: view.found, markedAt, ...held };
		done = await removeBackups(context, { names, unfinished });
	}
	const leftovers = await removeSomeLeftovers(engine, view, retention, held);
	return { ...prunedOf({ ...view, marks }, wanted, done), leftovers };
}

/** Returns the names of those that are gone. */
async function removeSomeLeftovers(
	engine: Engine,
	view: Outlook,
	retention: Retention,
	held: Held,
): Promise<string[]> {
	// The caller holds the lock, so that no backup is being made.
	const leftovers = fitting(removableLeftovers(view, retention, null), held.room());
	await recordAll(retention, 'remove_leftovers', namesOf(leftovers));
	return removeLeftovers({ engine, ...held }, leftovers);
}

/**
 * What one run may remove of backups that do not exist. Nothing while the app has no backup or nothing may be
 * removed. Of what could be backups that lost their manifests no more than the share of a run.
 */
function removableLeftovers(
	{ found, marks, candidates, plan: { blocked }, now }: Outlook,
	{ policy }: Retention,
	running: string | null,
): Leftovers[] {
	const trusted = candidates.filter((one) => one.trusted).length;
	const isBlocked = blocked !== null && blocked.code !== 'no_policy';
	if (trusted === 0 || isBlocked) return [];
	let share = shareOf(policy, trusted);
	const left = leftoversOf(found, { marks, running, now });
	return left.filter(({ mustBury }) => !mustBury || share-- > 0).slice(0, NAMES_PER_ENTRY);
}

function namesOf(leftovers: readonly Leftovers[]): string[] {
	return leftovers.map(({ name }) => name);
}

interface Wanted {
	mark: string[];
	unmark: string[];
	remove: string[];
	/** What an earlier run has not finished to remove. */
	unfinished: string[];
}

/** Null if the list alone takes more calls than there is room for. */
async function roomyOutlook(
	engine: Engine,
	retention: Retention,
	{ room }: Held,
): Promise<Outlook | null> {
	if (room() < ROOM_TO_BEGIN) return null;
	class NoRoom extends Error {}
	const mayGoOn = () => {
		if (room() < ROOM_TO_LIST) throw new NoRoom();
	};
	try {
		const most = Math.max(0, Math.min(MAX_READ, room() - 2 * ROOM_TO_REMOVE));
		return await outlook(engine, retention, { most, mayGoOn });
	} catch (error) {
		if (error instanceof NoRoom) return null;
		throw error;
	}
}

/**
 * What there is room for: each entry of the audit log takes a call, and so does each
 * thousand of keys that are removed.
 */
function wantedOf(view: Outlook, room: number): Wanted {
	const mayRemove = room > ROOM_TO_REMOVE;
	let entries = room - (mayRemove ? ROOM_TO_REMOVE : ROOM_TO_MARK);
	const take = (names: string[]) => {
		const taken = names.slice(0, Math.max(0, entries) * NAMES_PER_ENTRY);
		entries -= Math.ceil(taken.length / NAMES_PER_ENTRY);
		return taken;
	};
	const unmark = take(namesFor(view, 'unmark'));
	const unfinished = mayRemove ? unfinishedOf(view) : [];
	const remove = mayRemove ? take(inOneCall(view, namesFor(view, 'remove'), unfinished)) : [];
	return { unmark, remove, unfinished, mark: take(namesFor(view, 'mark')) };
}

/**
 * The first of these names, as many as have files that R2 removes in one call, together with those of
 * `unfinished`; but one at least in all.
 */
function inOneCall({ found }: Outlook, names: string[], unfinished: string[]): string[] {
	let keys = 0;
	const all = [...unfinished, ...names];
	const end = all.findIndex((name) => {
		keys += found.objects.get(name)?.length ?? 0;
		return keys > MAX_KEYS_PER_DELETE;
	});
	const first = end === -1 ? all : all.slice(0, Math.max(1, end));
	return first.slice(unfinished.length);
}

function namesFor({ actions }: Outlook, action: Action): string[] {
	return [...actions].filter(([, one]) => one === action).map(([name]) => name);
}

/** Removals that a run has begun and not finished: the manifest is gone. */
function unfinishedOf({ marks, found, plan: { blocked } }: Outlook): string[] {
	if (blocked !== null && blocked.code !== 'no_policy') return [];
	const begun = Object.keys(marks).filter((name) => marks[name]?.removing);
	return begun.filter((name) => !hasManifest(found, name));
}

async function recordAll(
	{ record }: Retention,
	operation: Parameters<Retention['record']>[0],
	names: string[],
): Promise<void> {
	for (let at = 0; at < names.length; at += NAMES_PER_ENTRY) {
		await record(operation, names.slice(at, at + NAMES_PER_ENTRY));
	}
}

/** Writes what a run is about to do, and forgets marks of backups that are gone. */
async function writeMarks(
	engine: Engine,
	view: Outlook,
	wanted: Wanted,
): Promise<{ marks: Marks; markedAt: number }> {
	const at = engine.now();
	const isSame = (name: string, mark: Mark | undefined) => mark?.at === view.marks[name]?.at;
	const change = (marks: Marks): Marks => {
		const next = new Map(Object.entries(marks));
		for (const [name, mark] of next) {
			const isThere = hasManifest(view.found, name);
			if (isThere && mark.removing) next.set(name, asNotBegun(mark));
			if (!isThere && !mark.removing) next.delete(name);
		}
		for (const name of wanted.unmark) if (isSame(name, next.get(name))) next.delete(name);
		for (const name of wanted.mark) if (!next.has(name)) next.set(name, { at, by: 'rule' });
		for (const name of wanted.remove) {
			const mark = next.get(name); // withdrawn since the plan was made, it saves the backup
			if (mark && isSame(name, mark)) next.set(name, { ...mark, removing: true });
		}
		const changed = Object.fromEntries(next);
		return JSON.stringify(changed) === JSON.stringify(marks) ? marks : changed;
	};
	const planned = change(view.marks);
	if (planned === view.marks) return { marks: planned, markedAt: 0 };
	const marks = await changeMarks(engine, change);
	return { marks, markedAt: engine.now() };
}

function prunedOf(
	view: Outlook,
	wanted: Wanted,
	{ removed, locked }: Removed,
): Omit<Pruned, 'leftovers'> {
	const done = new Set([...wanted.mark, ...wanted.unmark, ...removed]);
	const resultOf = ({ name, action }: PlannedBackup): PlannedBackup['result'] => {
		if (action === 'keep' || action === 'leave' || action === 'wait') return undefined;
		if (locked.includes(name)) return 'locked';
		return done.has(name) ? 'done' : 'later';
	};
	const backups = plannedBackups(view).map((backup) => {
		const result = resultOf(backup);
		return result ? { ...backup, result } : backup;
	});
	return {
		blocked: view.plan.blocked,
		backups,
		...{ marked: wanted.mark, unmarked: wanted.unmark, removed, locked },
		later: backups.filter(({ result }) => result === 'later').length,
	};
}
