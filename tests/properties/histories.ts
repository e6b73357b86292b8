// Made-up histories of backups, and policies for them.
import fc from 'fast-check';
import type { Candidate } from '../../src/lib/server/backup/keep/candidates.ts';
import type { Policy, Rules } from '../../src/lib/server/backup/keep/policy.ts';
import { candidate } from '../histories.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** Around a leap day and a year of 53 weeks. */
const START = Date.parse('2027-12-20T00:00:00.000Z');

/** Milliseconds between two backups: of a tie, a retry, several a day, daily, weekly, after a gap. */
const pause = fc.oneof(
	fc.constantFrom(0, 1, 999, DAY_MS, 7 * DAY_MS),
	fc.integer({ min: 1, max: 30 * HOUR_MS }),
	fc.integer({ min: 1, max: 200 * DAY_MS }),
);
const often = (probability: number) => fc.nat(99).map((number) => number < probability);

const state = fc.record({
	pause,
	isFull: fc.boolean(),
	/** Which of the full ones before it, counted from the newest, a differential is based on. */
	parent: fc.nat(2),
	trusted: often(90),
	isProven: often(40),
	isDrilled: often(30),
	damaged: often(10),
	pinned: often(5),
	requested: often(10),
});

/** Histories of up to 40 backups, oldest first, with full ones and differentials in any state. */
export const histories = fc
	.array(state, { maxLength: 40, size: 'max' })
	.map((states) => {
		let startedAt = START;
		const full: string[] = [];
		return states.map(({ pause, isFull, parent, isProven, isDrilled, damaged, ...rest }) => {
			startedAt += pause;
			const base = isFull ? undefined : full.at(-1 - parent);
			const one = candidate(startedAt, base ? 'incremental' : 'full');
			if (!base) full.push(one.name);
			const provenAt = isProven && !damaged ? startedAt + HOUR_MS : null;
			const proofs = { provenAt, drilledAt: isDrilled ? provenAt : null, damaged };
			return { ...one, parent: base ?? null, ...rest, ...proofs };
		});
	})
	.map((backups) => [...new Map(backups.map((backup) => [backup.name, backup])).values()]);

/** Mostly off, so that a history has something to remove. */
const count = fc.oneof(
	{ weight: 6, arbitrary: fc.constant(0) },
	{ weight: 3, arbitrary: fc.nat(6) },
	{ weight: 1, arbitrary: fc.constant(1000) },
);
const duration = fc.record({
	years: fc.nat(1),
	months: fc.nat(14),
	days: fc.nat(40),
	hours: fc.nat(30),
});
export const rules: fc.Arbitrary<Rules> = fc.record({
	...{ last: count, hourly: count, daily: count, weekly: count, monthly: count, yearly: count },
	within: fc.oneof({ weight: 4, arbitrary: fc.constant(null) }, duration),
});

export const policies: fc.Arbitrary<Policy> = fc.record({
	rules: fc.option(rules, { freq: 20 }),
	minDays: fc.constantFrom(0, 0, 1, 30),
	maxPercent: fc.constant(100),
});

/** How long after the newest backup a plan is made, and how old that one may be. */
export const clocks = fc.record({
	later: fc.oneof(
		{ weight: 10, arbitrary: fc.nat(20 * DAY_MS) },
		fc.integer({ min: -200 * DAY_MS, max: 0 }),
	),
	maxAgeMs: fc.constantFrom(DAY_MS, 32 * DAY_MS, 4000 * DAY_MS, 4000 * DAY_MS, 4000 * DAY_MS),
});

/** When that is: `later` counts from the newest backup that is trusted. */
export function contextOf(
	history: readonly Candidate[],
	{ later, maxAgeMs }: { later: number; maxAgeMs: number },
): { now: number; maxAgeMs: number } {
	const starts = history.filter(({ trusted }) => trusted).map(({ startedAt }) => startedAt);
	return { now: Math.max(START, ...starts) + later, maxAgeMs };
}
