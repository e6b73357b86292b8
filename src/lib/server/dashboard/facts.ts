import { readLockout } from '../access/lockout.ts';
import { accessSettings, lockoutScope } from '../access/settings.ts';
import type { Engine } from '../backup/engine.ts';
import type { ListedBackup } from '../backup/format/manifest.ts';
import { type Marks, readMarks } from '../backup/keep/marks.ts';
import { type Outlook, outlookOf, type Retention } from '../backup/keep/outlook.ts';
import { type Pins, readPins } from '../backup/keep/pins.ts';
import { survey, type Survey } from '../backup/keep/survey.ts';
import { readRunning, type RunningBackup } from '../backup/make/running.ts';
import { engineOf } from '../backup/settings.ts';
import { MAX_CLOCK_DRIFT_MS } from '../backup/storage/list.ts';
import { type LifeboatError, toLifeboatError } from '../errors.ts';
import { lookFrom } from '../operations/health.ts';
import { type Operations, operationsOf } from '../operations/index.ts';
import { retentionOf } from '../operations/retention.ts';
import { readSentAlerts, type SentAlerts } from '../operations/sent-alerts.ts';
import { readLeftStage } from '../operations/stage.ts';
import type { R2Bucket } from '../platform.ts';
import { type Older, readOlder } from './older.ts';
import type { KnownLook } from './verdict.ts';
import { callerOf, type Visit } from './visit.ts';

/** Manifests without signed summaries that one page reads. */
const MAX_READ = 10;
/**
 * A list of so many backups takes several calls of R2: it is used again for a minute, and what the first page
 * shows of the older ones for longer (older.ts).
 */
const MANY = 300;
const CACHE_MS = 60_000;

const lists = new WeakMap<R2Bucket, { until: number; list: Survey }>();

/** What the dashboard works with for one database. */
export interface Desk {
	operations: Operations;
	engine: Engine;
	retention: Retention;
}

/** Everything that pages show of one database. */
export interface Facts extends Desk {
	view: Outlook;
	/** Newest first, without those from the future. */
	backups: ListedBackup[];
	/** What is known of older ones that were not listed; null if all were. */
	older: Older | null;
	/** Whether that is to be remembered: many were listed just now. */
	isLong: boolean;
	newest: ListedBackup | undefined;
	look: KnownLook;
	failing: SentAlerts['failing'];
	lockedUntil: number | null;
	running: RunningBackup | null;
	/** Why the pins cannot be read; null if they can. */
	pinsError: LifeboatError | null;
	/** Milliseconds since 1970. */
	now: number;
}

/** Throws LifeboatError (500) if a setting is missing or not valid. */
export function deskOf(visit: Visit): Desk {
	const operations = operationsOf(visit.env, visit.url);
	const retention = retentionOf(operations, callerOf(visit));
	return { operations, engine: engineOf(visit.env), retention };
}

/**
 * Reads what there is to show: of all backups, or what the first page shows, in a number of calls that does
 * not grow with theirs. Throws `storage_error` (500), and what {@link deskOf} throws.
 */
export async function readFacts(visit: Visit, part: 'all' | 'first'): Promise<Facts> {
	const desk = deskOf(visit);
	const { engine, operations, retention } = desk;
	const { now } = visit;
	const access = accessSettings(visit.env);
	const [{ found, marks, older, isLong }, pins, sent, lockout, running, left] = await Promise.all([
		findBackups(engine, now, part),
		knownPins(engine),
		readSentAlerts(operations.bucket),
		readLockout(access.bucket, lockoutScope(access), now),
		readRunning(engine),
		readLeftStage(operations),
	]);
	const view = outlookOf({ found, marks, pins: pins.pins }, retention, now);
	const removable = view.plan.decisions.filter(({ keep }) => !keep).length;
	const latest = now + MAX_CLOCK_DRIFT_MS;
	const backups = found.backups.filter(({ startedAt }) => Date.parse(startedAt) <= latest);
	const { newest, look } = await lookFrom(operations, { backups, removable });
	return {
		...desk,
		...{ view, backups, older, isLong, newest, running, now },
		look: { ...look, warnings: [...look.warnings, ...left] },
		failing: sent.failing,
		lockedUntil: lockout.lockedUntil,
		pinsError: pins.error,
	};
}

/** Forgets the list of backups, because it has changed. */
export function forgetList({ bucket }: Pick<Engine, 'bucket'>): void {
	lists.delete(bucket);
}

type Backups = Pick<Facts, 'older' | 'isLong'> & { found: Survey; marks: Marks };

/** The backups, and the marks from before they were listed: so a removal in between is noticed (older.ts). */
async function findBackups(engine: Engine, now: number, part: 'all' | 'first'): Promise<Backups> {
	const reading = readMarks(engine);
	const known = lists.get(engine.bucket);
	if (known && known.until > now) {
		return { found: known.list, marks: await reading, older: null, isLong: false };
	}
	const [marks, older] = await Promise.all([
		reading,
		part === 'first' ? readOlder(engine, reading, now) : null,
	]);
	const from = older ? { since: older.from, named: older.named } : {};
	const found = await survey(engine, { most: MAX_READ, ...from });
	const isLong = older === null && found.backups.length >= MANY;
	if (isLong) lists.set(engine.bucket, { until: now + CACHE_MS, list: found });
	return { found, marks, older, isLong };
}

/** Forged pins stop retention, but must not hide the backups. */
async function knownPins(engine: Engine): Promise<{ pins: Pins; error: LifeboatError | null }> {
	try {
		return { pins: await readPins(engine), error: null };
	} catch (thrown) {
		const error = toLifeboatError(thrown);
		if (error.code !== 'pins_forged') throw thrown;
		return { pins: {}, error };
	}
}
