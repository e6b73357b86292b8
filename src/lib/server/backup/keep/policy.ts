import { type Environment, invalidSetting, number, text } from '../../environment.ts';

/** A length of time as restic writes it, such as `1y5m7d2h`; `m` are months. */
export interface Duration {
	years: number;
	months: number;
	days: number;
	hours: number;
}

/**
 * Which backups stay, as in restic's `forget`: a backup stays if any rule keeps it. A rule that is 0 or
 * null is not used.
 */
export interface Rules {
	last: number;
	hourly: number;
	daily: number;
	/** ISO weeks. */
	weekly: number;
	monthly: number;
	yearly: number;
	/** Keeps what started less than this long before the newest backup. */
	within: Duration | null;
}

/** The retention policy of an app. It comes from settings only, never from a call. */
export interface Policy {
	/** Null if none is set: then backups are removed only on request. */
	rules: Rules | null;
	/** Backups younger than this many days stay, whatever the rules say. */
	minDays: number;
	/** The share of all backups, in percent, that one run may mark or remove. */
	maxPercent: number;
}

const NO_RULES: Rules = {
	...{ last: 0, hourly: 0, daily: 0, weekly: 0, monthly: 0, yearly: 0 },
	within: null,
};

const USUAL_MIN_DAYS = 0;
/** A mistake in the policy costs a quarter at most before somebody reads the alert about it. */
const USUAL_MAX_PERCENT = 25;

/** What `setup` and `init` write down: daily for a week, weekly for a month, monthly for a year. */
export const SEED_POLICY: Policy = {
	rules: { ...NO_RULES, daily: 7, weekly: 4, monthly: 12 },
	minDays: USUAL_MIN_DAYS,
	maxPercent: USUAL_MAX_PERCENT,
};

/** Up to 999 of each unit, in any order. Weeks are not a unit of restic either. */
const DURATION = /^(?:\d{1,3}[ymdh])+$/;

/** The policy in the settings. Throws LifeboatError (500): `<name>_invalid`. */
export function readPolicy(env: Environment | undefined): Policy {
	const rules: Rules = {
		last: count(env, 'BACKUP_KEEP_LAST'),
		hourly: count(env, 'BACKUP_KEEP_HOURLY'),
		daily: count(env, 'BACKUP_KEEP_DAILY'),
		weekly: count(env, 'BACKUP_KEEP_WEEKLY'),
		monthly: count(env, 'BACKUP_KEEP_MONTHLY'),
		yearly: count(env, 'BACKUP_KEEP_YEARLY'),
		within: duration(env),
	};
	const { within, ...counts } = rules;
	const isSet = within !== null || Object.values(counts).some((value) => value > 0);
	return {
		rules: isSet ? rules : null,
		minDays: count(env, 'BACKUP_KEEP_MIN_DAYS', USUAL_MIN_DAYS),
		maxPercent: number(env, 'BACKUP_PRUNE_MAX_PERCENT', {
			usual: USUAL_MAX_PERCENT,
			fits: (value) => Number.isInteger(value) && value >= 1 && value <= 100,
			what: 'a whole number of percent from 1 to 100',
		}),
	};
}

/** How many of `total` backups one run may mark or remove: at least one, so that runs come to an end. */
export function shareOf({ maxPercent }: Policy, total: number): number {
	return Math.max(1, Math.floor((total * maxPercent) / 100));
}

/** The rules that are used, such as `{ daily: 7, within: '1y' }`; null if there are none. */
export function printPolicy({ rules, minDays }: Policy): Record<string, number | string> | null {
	if (rules === null) return null;
	const { within, ...counts } = rules;
	return {
		...Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0)),
		...(within && { within: printDuration(within) }),
		...(minDays > 0 && { minDays }),
	};
}

/** The duration as restic writes it. */
export function printDuration({ years, months, days, hours }: Duration): string {
	const parts: [number, string][] = [
		[years, 'y'],
		[months, 'm'],
		[days, 'd'],
		[hours, 'h'],
	];
	return parts.map(([value, unit]) => (value > 0 ? `${value}${unit}` : '')).join('');
}

function count(
	env: Environment | undefined,
	name: `BACKUP_KEEP_${'LAST' | 'HOURLY' | 'DAILY' | 'WEEKLY' | 'MONTHLY' | 'YEARLY' | 'MIN_DAYS'}`,
	usual = 0,
): number {
	const fits = (value: number) => Number.isInteger(value);
	return number(env, name, { usual, fits, what: 'a whole number' });
}

/** BACKUP_KEEP_WITHIN; null if it is not set, or nothing at all. */
function duration(env: Environment | undefined): Duration | null {
	const name = 'BACKUP_KEEP_WITHIN';
	const value = text(env, name);
	if (value === null) return null;
	if (!DURATION.test(value)) {
		throw invalidSetting(
			name,
			'Set it to years, months, days and hours, as in 1y5m7d2h, or remove it.',
		);
	}
	const of = (unit: string) =>
		Number(new RegExp(`(\\d+)${unit}(?!.*${unit})`).exec(value)?.[1] ?? 0);
	const read = { years: of('y'), months: of('m'), days: of('d'), hours: of('h') };
	return printDuration(read) === '' ? null : read;
}
