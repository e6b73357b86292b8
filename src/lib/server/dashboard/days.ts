import type { Day, DayState, LogEntry } from '../../components/types.ts';
import { startOf } from '../backup/format/names.ts';
import { NO_FAILURE } from '../operations/watch.ts';

/** Days on the strip. */
export const DAYS = 90;
const DAY_MS = 24 * 3_600_000;

/** A backup that is in the bucket. */
export interface KnownBackup {
	name: string;
	warnings: number;
	/** Whether its last proofs are good, and whether one of them is not; neither without any. */
	proven: boolean;
	damaged: boolean;
}

/** What days are made from. Times are in milliseconds since 1970. */
export interface DayFacts {
	backups: readonly KnownBackup[];
	/** The audit log about this database, in any order: it knows of failures, and of backups that are gone. */
	log: readonly LogEntry[];
	/** From when that log is complete. No backup is missed on days before. */
	logSince: number;
	/** Days about which that is not everything, as this function has made them from everything. */
	remembered: readonly Day[];
	/** When the backup that is being made started; null if there is none. */
	runningSince: number | null;
	/** The allowed age of the newest backup. */
	maxAgeMs: number;
	now: number;
}

/** Something that happened on a day: a complete backup, or a failed try. */
type Try = ({ backup: KnownBackup } | { code: string }) & { at: number };

/**
 * The last {@link DAYS} days, in UTC, the oldest first.
 *
 * A day is `failed` if its last try failed: that is how it left the database, whatever was made before. If
 * not, it is as good as its best backup, because one is enough to restore from. So a failure that a later try
 * has made good does not alarm, but is counted. A day without any try is `overdue` if by its end the newest
 * backup was older than allowed, else `idle`; today ends now. Pure.
 */
export function daysOf(facts: DayFacts): Day[] {
	const { now } = facts;
	const tries = triesOf(facts).filter(({ at }) => at <= now);
	const today = Math.floor(now / DAY_MS);
	const byDay = Map.groupBy(tries, ({ at }) => Math.floor(at / DAY_MS));
	const remembered = new Map(facts.remembered.map((day) => [day.date, day]));
	return Array.from({ length: DAYS }, (_, index) => {
		const day = today - DAYS + 1 + index;
		const known = remembered.get(dateOf(day));
		if (known) return known;
		return dayOf(facts, { day, tries: byDay.get(day) ?? [], all: tries });
	});
}

/** Every try that is known, the oldest first. */
function triesOf({ backups, log }: DayFacts): Try[] {
	const made = new Map(log.flatMap(madeBy).map((backup) => [backup.name, backup]));
	const proofs = log.filter(({ operation }) => operation === 'verify' || operation === 'drill');
	for (const { backup = '', outcome, code } of proofs) {
		const gone = made.get(backup);
		if (gone && outcome === 'done') gone.proven = true;
		if (gone && code === 'backup_differs') gone.damaged = true;
	}
	for (const backup of backups) made.set(backup.name, backup);
	const complete = [...made.values()].map((backup) => ({ backup, at: startOf(backup.name) }));
	const failed = log
		.filter(isFailure)
		.map(({ time, code = '' }) => ({ code, at: Date.parse(time) }));
	return [...complete, ...failed].sort((a, b) => a.at - b.at);
}

function isBackupCall({ operation }: LogEntry): boolean {
	return operation === 'backup' || operation === 'resume';
}

function isFailure(entry: LogEntry): boolean {
	return isBackupCall(entry) && entry.outcome === 'failed' && !NO_FAILURE.test(entry.code ?? '');
}

/** The backup that a call has made; none if it made none. */
function madeBy(entry: LogEntry): KnownBackup[] {
	const { outcome, backup, warnings = 0 } = entry;
	if (!isBackupCall(entry) || outcome !== 'done' || backup === undefined) return [];
	return [{ name: backup, warnings, proven: false, damaged: false }];
}

function dayOf(
	facts: DayFacts,
	{ day, tries, all }: { day: number; tries: readonly Try[]; all: readonly Try[] },
): Day {
	const made = tries.flatMap((one) => ('backup' in one ? [one.backup] : []));
	const failures = tries.flatMap((one) => ('code' in one ? [one.code] : []));
	const isRunning = facts.runningSince !== null && Math.floor(facts.runningSince / DAY_MS) === day;
	return {
		date: dateOf(day),
		state: triedState(tries, made, isRunning) ?? quietState(facts, day, all),
		backups: made.length,
		proven: made.filter(isProven).length,
		failures: failures.length,
		code: failures.at(-1) ?? null,
	};
}

function dateOf(day: number): string {
	return new Date(day * DAY_MS).toISOString().slice(0, 10);
}

/** Null if nothing was tried on that day. */
function triedState(
	tries: readonly Try[],
	made: readonly KnownBackup[],
	isRunning: boolean,
): DayState | null {
	const last = tries.at(-1);
	const sound = made.filter(({ damaged }) => !damaged);
	if (isRunning && sound.length === 0) return 'running';
	if (last === undefined) return null;
	if ('code' in last || sound.length === 0) return 'failed';
	if (sound.some(isProven)) return 'proven';
	return sound.some(({ warnings }) => warnings === 0) ? 'backed-up' : 'warned';
}

function quietState(facts: DayFacts, day: number, all: readonly Try[]): DayState {
	const { logSince, maxAgeMs, now } = facts;
	const end = Math.min((day + 1) * DAY_MS, now);
	const [first] = all;
	if (first === undefined || first.at >= end) return 'before';
	const newest = all.findLast((one) => 'backup' in one && one.at < end) ?? first;
	const isKnown = day * DAY_MS >= logSince;
	return isKnown && end - newest.at > maxAgeMs ? 'overdue' : 'idle';
}

function isProven({ proven, damaged }: KnownBackup): boolean {
	return proven && !damaged;
}
