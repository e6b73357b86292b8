import * as v from 'valibot';
import type { Day } from '../../components/types.ts';
import { startOf } from '../backup/format/names.ts';
import type { ListedBackup } from '../backup/format/manifest.ts';
import type { Engine } from '../backup/engine.ts';
import { type Marks, removableFrom } from '../backup/keep/marks.ts';
import type { Outlook } from '../backup/keep/outlook.ts';
import { changeSigned, readSigned, signedKind } from '../backup/keep/signed-state.ts';
import { isProven } from '../operations/health.ts';

/*
 * R2 lists in ascending order only, so the newest backups are at the end of a long list. What the first page
 * shows of older ones is therefore remembered, and the list begins with a window of the newest.
 */

const DAY_MS = 24 * 3_600_000;
/** How long it counts: a backup that somebody removes or proves elsewhere is missed for as long at most. */
const COUNTS_MS = DAY_MS;
/** Backups of the app in the window. */
const WINDOW = 200;

const Moment = v.pipe(v.number(), v.safeInteger());

const DaySchema = v.object({
	date: v.string(),
	state: v.picklist([
		...(['proven', 'backed-up', 'warned', 'failed'] as const),
		...(['running', 'overdue', 'idle', 'before'] as const),
	]),
	backups: v.number(),
	proven: v.number(),
	failures: v.number(),
	code: v.nullable(v.string()),
});

const OlderSchema = v.object({
	/** When this was found out; 0 for never. Milliseconds since 1970, as all times here. */
	at: Moment,
	/** Where the window begins, at midnight in UTC: what follows is about backups that started before. */
	from: Moment,
	/** Those that still matter, and are listed one by one: proven ones, and parents of others. */
	named: v.array(v.string()),
	/** How many others there are, and their stored bytes. */
	backups: v.number(),
	bytes: v.number(),
	/** The name of the oldest of all. */
	oldest: v.string(),
	/** How many have marks that let them be removed while this counts. */
	due: v.number(),
	/** The days of the strip before the window. */
	days: v.array(DaySchema),
});

/** What the first page shows of backups that started before a window. */
export type Older = v.InferOutput<typeof OlderSchema>;

const NOTHING: Older = {
	...{ at: 0, from: 0, named: [], backups: 0, bytes: 0, oldest: '', due: 0, days: [] },
};
const OLDER = signedKind<Older>('older', OlderSchema, NOTHING);

/**
 * What is remembered of older backups; null if that is nothing, was not signed by the app, is too old, or one
 * of the backups may have been removed since: a removal takes its mark away. Throws `storage_error` (500).
 */
export async function readOlder(
	engine: Engine,
	marks: Promise<Marks>,
	now: number,
): Promise<Older | null> {
	const older = await readSigned(engine, OLDER);
	if (older === null || Math.abs(now - older.at) >= COUNTS_MS) return null;
	return dueBefore(await marks, older) === older.due ? older : null;
}

/** What a list of the whole bucket says about older backups, and days that were made from it. */
interface Whole {
	engine: Engine;
	view: Outlook;
	/** Newest first, without those from the future. */
	backups: readonly ListedBackup[];
}

/**
 * Remembers what such a list says about older backups, if there are any. Never throws: failures are logged,
 * and the next list of the whole bucket tries again.
 */
export async function rememberOlder(
	whole: Whole,
	days: readonly Day[] | Promise<readonly Day[]>,
): Promise<void> {
	try {
		const older = olderOf(whole, await days);
		if (older) await changeSigned(whole.engine, OLDER, () => older);
	} catch (error) {
		console.error('What there is of older backups could not be remembered:', error);
	}
}

/** Forgets it if it is about this backup, because something was found out. Throws `storage_error` (500). */
export async function forgetOlder(engine: Engine, name: string): Promise<void> {
	const older = await readSigned(engine, OLDER);
	if (older && startOf(name) < older.from) await changeSigned(engine, OLDER, () => NOTHING);
}

/** Null if no backup is older than the window. Pure. */
function olderOf({ view, backups }: Omit<Whole, 'engine'>, days: readonly Day[]): Older | null {
	const own = backups.filter(({ signed }) => signed);
	const first = own[WINDOW - 1];
	if (first === undefined) return null;
	const from = Math.floor(startOf(first.name) / DAY_MS) * DAY_MS;
	const older = backups.filter(({ name }) => startOf(name) < from);
	const oldest = older.at(-1);
	if (oldest === undefined) return null;
	const named = namesOf(backups, view, from);
	const others = older.filter(({ name }) => !named.includes(name));
	const counts = { at: view.now, from };
	return {
		...{ ...counts, named, oldest: oldest.name },
		backups: others.length,
		bytes: others.reduce((sum, { bytes }) => sum + bytes, 0),
		due: dueBefore(view.marks, counts),
		days: days.filter(({ date }) => Date.parse(date) < from),
	};
}

/**
 * The names of older backups on which the verdict and what is said of newer ones may depend, be they there or
 * not.
 */
function namesOf(
	backups: readonly ListedBackup[],
	{ candidates }: Outlook,
	from: number,
): string[] {
	const newest = [
		backups.find(isProven), // for the verdict
		candidates.find(({ trusted, provenAt }) => trusted && provenAt !== null), // for retention
	];
	const names = newest.flatMap((one) => (one ? [one.name] : []));
	const listed = backups.filter(({ name }) => startOf(name) >= from || names.includes(name));
	const parents = listed.flatMap(({ signed, parent }) => (signed && parent ? [parent] : []));
	return [...new Set([...names, ...parents])].filter((name) => startOf(name) < from);
}

/** How many backups before a window have marks that let them be removed while what was found out counts. */
function dueBefore(marks: Marks, { at, from }: Pick<Older, 'at' | 'from'>): number {
	const all = Object.entries(marks).filter(([name]) => startOf(name) < from);
	return all.filter(([, mark]) => removableFrom(mark) <= at + COUNTS_MS).length;
}
