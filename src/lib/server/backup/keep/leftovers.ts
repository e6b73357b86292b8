import type { Held, Engine } from '../engine.ts';
import { isVolume, KINDS, manifestKey, startOf } from '../format/names.ts';
import { MAX_KEYS_PER_DELETE } from '../limits.ts';
import { buryBackup } from '../storage/tombstone.ts';
import { fateOf } from './fates.ts';
import type { Marks } from './marks.ts';
import { isRemoved } from './removal.ts';
import type { Found, Survey } from './survey.ts';

// What is left of backups that do not exist. It stays for a day: a Worker may have been stalled, or somebody
// may be copying a backup back.

const DAY_MS = 24 * 3_600_000;
/** Calls that a removal leaves to what follows. */
const ROOM_TO_END = 3;

/** What is left of a backup, and can be removed. */
export interface Leftovers {
	/** The name of the backup. */
	name: string;
	/** At most as many as one call deletes. */
	keys: string[];
	/** Whether a tombstone must be in place of the manifest first, so that nobody can still complete the backup. */
	mustBury: boolean;
}

/**
 * What backups that do not exist have left for more than a day, the oldest first; `running` is being made.
 * Volumes that a signed summary does not name count too. What belongs to a manifest that the app has not
 * signed, or has lost its manifest, does not: it is somebody's, or evidence. Pure.
 */
export function leftoversOf(
	{ objects, backups }: Survey,
	{ marks, running, now }: { marks: Marks; running: string | null; now: number },
): Leftovers[] {
	const files = new Map(backups.filter(({ signed }) => signed).map((one) => [one.name, one.files]));
	const all = [...objects].flatMap(([name, found]) => {
		if (name === running || marks[name]?.removing) return [];
		const left = leftOf(name, found, files.get(name));
		const isOld = left.every(({ uploaded }) => uploaded + DAY_MS < now);
		const keys = left.map(({ key }) => key).slice(0, MAX_KEYS_PER_DELETE);
		const mustBury = fateOf(name, found) === 'incomplete';
		return keys.length > 0 && isOld ? [{ name, keys, mustBury }] : [];
	});
	return all.sort((a, b) => startOf(a.name) - startOf(b.name));
}

function leftOf(
	name: string,
	found: readonly Found[],
	files: readonly string[] | undefined,
): readonly Found[] {
	const fate = fateOf(name, found);
	if (fate === 'lost') return [];
	if (fate !== 'complete') return volumesFirst(name, found);
	return files ? found.filter(({ key }) => isVolume(key) && !files.includes(key)) : [];
}

/** The tombstone last: it stays while volumes do. */
function volumesFirst(name: string, found: readonly Found[]): readonly Found[] {
	const isTombstone = ({ key }: Found) => key === manifestKey(name);
	return [...found.filter((one) => !isTombstone(one)), ...found.filter(isTombstone)];
}

/** How many of these can be removed within the calls that are left. */
export function fitting(leftovers: readonly Leftovers[], room: number): Leftovers[] {
	let left = room - ROOM_TO_END - KINDS.length;
	return leftovers.filter(({ mustBury }) => (mustBury ? (left -= 2) : left) >= 0);
}

/**
 * Removes leftovers, the oldest first, and stops at what a lock rule keeps: what is younger is kept too.
 * Returns the names of those that are gone. The caller holds the lock of backups, and has recorded them.
 * Throws `lock_lost` (409), `storage_error` (500).
 */
export async function removeLeftovers(
	context: { engine: Engine } & Held,
	leftovers: readonly Leftovers[],
): Promise<string[]> {
	if (leftovers.length === 0) return [];
	await context.confirm();
	const removed: Leftovers[] = [];
	// A lock rule is for one prefix.
	for (const kind of KINDS) {
		const ofKind = leftovers.filter(({ name }) => name.startsWith(`${kind}_`));
		const doomed: Leftovers[] = [];
		for (const one of ofKind) {
			if (!one.mustBury || (await buryBackup(context.engine, one.name))) doomed.push(one);
		}
		for (const batch of batches(doomed)) removed.push(...(await removeOldest(context, batch)));
	}
	return removed.map(({ name }) => name);
}

/** Those that one call can delete together. */
function batches(leftovers: readonly Leftovers[]): Leftovers[][] {
	const all: Leftovers[][] = [];
	let keys = Infinity;
	for (const one of leftovers) {
		keys += one.keys.length;
		if (keys <= MAX_KEYS_PER_DELETE) all.at(-1)?.push(one);
		else {
			all.push([one]);
			keys = one.keys.length;
		}
	}
	return all;
}

/** Removes all of a batch, or where a lock rule keeps one, those that are older, found by halving. */
async function removeOldest(
	context: { engine: Engine } & Held,
	batch: readonly Leftovers[],
): Promise<readonly Leftovers[]> {
	if (batch.length === 0 || context.room() < ROOM_TO_END) return [];
	const keys = batch.flatMap((one) => one.keys);
	if (await isRemoved(context, keys)) return batch;
	if (batch.length === 1) return [];
	const half = batch.slice(0, batch.length / 2);
	const removed = await removeOldest(context, half);
	if (removed.length < half.length) return removed;
	return [...removed, ...(await removeOldest(context, batch.slice(half.length)))];
}
