import { type Duration, printDuration, type Rules } from './policy.ts';
import type { Reason } from './reasons.ts';

/** What the rules decide about. */
export interface Dated {
	name: string;
	/** Milliseconds since 1970. */
	startedAt: number;
}

type CountedRule = Exclude<keyof Rules, 'within'>;

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const WEEK_MS = 7 * DAY_MS;
/** 1970 began on a Thursday, three days after the start of its ISO week. */
const WEEK_OFFSET_MS = 3 * DAY_MS;

/** The name of the period that a time is in, in UTC; two times of one period have the same. */
const PERIODS: Record<Exclude<CountedRule, 'last'>, (time: number) => string> = {
	hourly: (time) => `${iso(time).slice(0, 13).replace('T', ' ')}h`,
	daily: (time) => iso(time).slice(0, 10),
	weekly: isoWeek,
	monthly: (time) => iso(time).slice(0, 7),
	yearly: (time) => iso(time).slice(0, 4),
};

/**
 * Applies the rules to backups, newest first, as restic's `forget` does (restic,
 * `internal/data/snapshot_policy.go`, `ApplyPolicy`): each rule goes from the newest to the oldest, and
 * keeps the newest of each period that has one, until it has as many as it says. The oldest stays too where
 * a rule has kept fewer. Returns why each kept one stays, by name.
 */
export function applyRules(newestFirst: readonly Dated[], rules: Rules): Map<string, Reason[]> {
	const reasons = new Map<string, Reason[]>();
	const keep = ({ name }: Dated, reason: Reason) => {
		reasons.set(name, [...(reasons.get(name) ?? []), reason]);
	};
	for (const backup of keptWithin(newestFirst, rules.within)) {
		keep(backup, { code: 'within', text: withinText(rules.within) });
	}
	newestFirst.slice(0, rules.last).forEach((backup, index) => {
		keep(backup, { code: 'last', text: `last ${index + 1} of ${rules.last}` });
	});
	for (const rule of ['hourly', 'daily', 'weekly', 'monthly', 'yearly'] as const) {
		for (const { backup, reason } of keptByPeriod(newestFirst, rule, rules[rule])) {
			keep(backup, reason);
		}
	}
	return reasons;
}

function* keptByPeriod(
	newestFirst: readonly Dated[],
	rule: keyof typeof PERIODS,
	count: number,
): Generator<{ backup: Dated; reason: Reason }> {
	const oldest = newestFirst.at(-1);
	let kept = 0;
	let last = '';
	for (const backup of newestFirst) {
		if (kept === count) return;
		const period = PERIODS[rule](backup.startedAt);
		const isNewest = period !== last;
		if (!isNewest && backup !== oldest) continue;
		last = period;
		kept++;
		const text = `${rule} ${kept} of ${count} (${period})`;
		yield {
			backup,
			reason: isNewest ? { code: rule, text } : { code: 'oldest', text: `oldest, ${text}` },
		};
	}
}

/** Those that started less than the duration before the newest one, as in restic. */
function keptWithin(newestFirst: readonly Dated[], within: Duration | null): readonly Dated[] {
	const [newest] = newestFirst;
	if (within === null || newest === undefined) return [];
	const end = before(newest.startedAt, within);
	return newestFirst.filter(({ startedAt }) => startedAt > end);
}

function withinText(within: Duration | null): string {
	return within === null ? '' : `within ${printDuration(within)} of the newest`;
}

/**
 * The time that is this much earlier, as Go's `AddDate` counts: a day that a month lacks is a day of the
 * next month, so a month before March 31 is March 3, or March 2 in a leap year.
 */
function before(time: number, { years, months, days, hours }: Duration): number {
	const date = new Date(time);
	date.setUTCFullYear(
		date.getUTCFullYear() - years,
		date.getUTCMonth() - months,
		date.getUTCDate() - days,
	);
	return date.getTime() - hours * HOUR_MS;
}

/** The ISO 8601 week, such as `2026-W53`. Its year is that of its Thursday. */
function isoWeek(time: number): string {
	const week = Math.floor((time + WEEK_OFFSET_MS) / WEEK_MS);
	const thursday = week * WEEK_MS;
	const year = new Date(thursday).getUTCFullYear();
	const number = Math.floor((thursday - Date.UTC(year, 0, 1)) / WEEK_MS) + 1;
	return `${year}-W${String(number).padStart(2, '0')}`;
}

function iso(time: number): string {
	return new Date(time).toISOString();
}
