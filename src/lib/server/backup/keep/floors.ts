import type { Candidate } from './candidates.ts';
import type { Policy } from './policy.ts';
import type { Reason, ReasonCode } from './reasons.ts';

/** The newest backups with proven contents, of which so many stay. */
const MIN_PROVEN = 3;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** When a plan is made. */
export interface PlanContext {
	/** Milliseconds since 1970. */
	now: number;
	/** BACKUP_MAX_AGE_HOURS in milliseconds. */
	maxAgeMs: number;
}

/** Says why a backup stays whatever the rules say; empty if nothing holds it. */
export type Floors = (candidate: Candidate) => Reason[];

/** The floors of these backups, newest first. What a kept one needs is up to the plan. */
export function floorsOf(
	newestFirst: readonly Candidate[],
	{ minDays }: Policy,
	{ now }: PlanContext,
): Floors {
	const isPast = (time: number) => time <= now;
	const counted = newestFirst.filter(({ trusted, startedAt }) => trusted && isPast(startedAt));
	const drilled = counted.find(({ drilledAt }) => drilledAt !== null);
	const proven = newestProven(counted);
	const youngFrom = now - minDays * DAY_MS;
	const floors: [ReasonCode, string, (candidate: Candidate) => boolean][] = [
		['untrusted', 'its signature is not valid, or not checked yet', ({ trusted }) => !trusted],
		['future', 'dated in the future', ({ startedAt }) => !isPast(startedAt)],
		['newest', 'the newest', (candidate) => candidate === counted[0]],
		['drilled', 'the newest that a drill has proven', (candidate) => candidate === drilled],
		['proven', `one of ${MIN_PROVEN} proven ones that always stay`, (one) => proven.includes(one)],
		['pinned', 'pinned', ({ pinned }) => pinned],
		[
			'young',
			`younger than ${days(minDays)}`,
			({ startedAt }) => isPast(startedAt) && startedAt > youngFrom,
		],
	];
	return (candidate) =>
		floors.flatMap(([code, text, holds]) => (holds(candidate) ? [{ code, text }] : []));
}

/**
 * Why nothing at all may be removed now; null if removals may go on. Backups that nobody can trust say
 * nothing about it: someone who can write to the bucket could plant them.
 */
export function blockOf(
	newestFirst: readonly Candidate[],
	{ rules }: Policy,
	{ now, maxAgeMs }: PlanContext,
): Reason | null {
	const trusted = newestFirst.filter((candidate) => candidate.trusted);
	const [newest] = trusted;
	if (newest === undefined) return null;
	const isRecent = ({ startedAt }: Candidate) => now - startedAt <= maxAgeMs;
	const allowed = `${maxAgeMs / HOUR_MS} hours`;
	if (rules === null && !trusted.some(({ requested }) => requested)) return NO_POLICY;
	if (newest.startedAt > now) {
		return { code: 'clock_behind', text: 'the clock is before the newest backup' };
	}
	if (!isRecent(newest)) {
		return { code: 'newest_old', text: `the newest backup is older than ${allowed}` };
	}
	if (!trusted.some((one) => one.provenAt !== null && isRecent(one))) {
		return { code: 'unproven', text: `no backup of the last ${allowed} is proven` };
	}
	return null;
}

export const NO_POLICY: Reason = { code: 'no_policy', text: 'no policy is set' };

/**
 * Removing what a person asked to remove is fine while enough others are left, except for the newest: without
 * it no recent backup may be proven, which would block every other removal.
 */
function newestProven(counted: Candidate[]): Candidate[] {
	const [newest, ...others] = counted.filter(({ provenAt }) => provenAt !== null);
	if (newest === undefined) return [];
	const wanted = others.toSorted((a, b) => Number(a.requested) - Number(b.requested));
	return [newest, ...wanted.slice(0, MIN_PROVEN - 1)];
}

function days(count: number): string {
	return count === 1 ? '1 day' : `${count} days`;
}
