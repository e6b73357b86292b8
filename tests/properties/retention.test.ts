import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Candidate } from '../../src/lib/server/backup/keep/candidates.ts';
import { planRetention } from '../../src/lib/server/backup/keep/plan.ts';
import type { Policy, Rules } from '../../src/lib/server/backup/keep/policy.ts';
import { applyRules } from '../../src/lib/server/backup/keep/rules.ts';
import { rulesOf } from '../histories.ts';
import { settings } from '../databases/settings.ts';
import { clocks, contextOf, histories, policies, rules } from './histories.ts';

const DAY_MS = 24 * 3_600_000;
const UNIT = { min: 0, max: 1, noNaN: true };
const { check, test: options } = settings(10_000);

type Context = ReturnType<typeof contextOf>;

function keptNames(history: Candidate[], policy: Policy, context: Context): Set<string> {
	const { decisions } = planRetention(history, policy, context);
	expect(decisions).toHaveLength(history.length);
	return new Set(decisions.filter(({ keep }) => keep).map(({ name }) => name));
}

const newestFirst = (history: Candidate[]) =>
	history.toSorted((a, b) => b.startedAt - a.startedAt || (a.name < b.name ? 1 : -1));

describe('whatever the history and the policy', () => {
	test('what the floors hold stays', options, () => {
		const holds = (history: Candidate[], policy: Policy, context: Context): Candidate[] => {
			const { now, maxAgeMs } = context;
			const trusted = newestFirst(history).filter((one) => one.trusted);
			const [newest] = trusted;
			const isYoung = ({ startedAt }: Candidate) => now - startedAt <= maxAgeMs;
			const isRunning = newest && newest.startedAt <= now && isYoung(newest);
			if (!isRunning || !trusted.some((one) => one.provenAt !== null && isYoung(one)))
				return history;
			const drilled = trusted.find(({ drilledAt }) => drilledAt !== null);
			const held = history.filter(
				(one) =>
					!one.trusted ||
					one.pinned ||
					one.startedAt > now - policy.minDays * DAY_MS ||
					(policy.rules === null && !one.requested),
			);
			return [newest, ...(drilled ? [drilled] : []), ...held];
		};
		fc.assert(
			fc.property(histories, policies, clocks, (history, policy, clock) => {
				const context = contextOf(history, clock);
				const kept = keptNames(history, policy, context);
				for (const { name } of holds(history, policy, context)) expect(kept).toContain(name);
			}),
			check,
		);
	});

	test('three proven backups stay, or all if there are fewer', options, () => {
		fc.assert(
			fc.property(histories, policies, clocks, (history, policy, clock) => {
				const kept = keptNames(history, policy, contextOf(history, clock));
				const proven = history.filter(({ trusted, provenAt }) => trusted && provenAt !== null);
				const left = proven.filter(({ name }) => kept.has(name));
				expect(left.length).toBeGreaterThanOrEqual(Math.min(3, proven.length));
			}),
			check,
		);
	});

	test('no differential is kept without its parent', options, () => {
		fc.assert(
			fc.property(histories, policies, clocks, (history, policy, clock) => {
				const kept = keptNames(history, policy, contextOf(history, clock));
				for (const { name, parent } of history) {
					if (kept.has(name) && parent !== null) expect(kept).toContain(parent);
				}
			}),
			check,
		);
	});

	test('planning again changes nothing, also after a part of the removals', options, () => {
		fc.assert(
			fc.property(histories, policies, clocks, fc.double(UNIT), (history, policy, clock, part) => {
				const context = contextOf(history, clock);
				const { decisions } = planRetention(history, policy, context);
				const removed = decisions.filter(({ keep }) => !keep).map(({ name }) => name);
				const kept = keptNames(history, policy, context);
				// A differential before what it is based on, as a plan lists them.
				for (const count of [removed.length, Math.floor(removed.length * part)]) {
					const gone = new Set(removed.slice(0, count));
					const left = history.filter(({ name }) => !gone.has(name));
					expect(keptNames(left, policy, context)).toEqual(kept);
				}
			}),
			check,
		);
	});

	test('without one of several rules, or with less of it, nothing more is kept', options, () => {
		const names = ['last', 'hourly', 'daily', 'weekly', 'monthly', 'yearly', 'within'] as const;
		const less = (rules: Rules, name: (typeof names)[number], part: number): Rules => ({
			...rules,
			[name]: name === 'within' ? null : Math.floor(rules[name] * part),
		});
		const change = fc.tuple(fc.constantFrom(...names), fc.constantFrom(0, 0.5));
		fc.assert(
			fc.property(histories, policies, clocks, change, (history, policy, clock, [name, part]) => {
				if (policy.rules === null) return;
				const context = contextOf(history, clock);
				const kept = keptNames(history, policy, context);
				const changed = { ...policy, rules: less(policy.rules, name, part) };
				for (const left of keptNames(history, changed, context)) expect(kept).toContain(left);
			}),
			check,
		);
	});
});

describe('the rules', () => {
	/** The first `count` periods, each with its newest; the oldest too if there are fewer. */
	function byPeriod(history: Candidate[], count: number, length: number): string[] {
		const periods = new Map<string, string[]>();
		for (const { name, startedAt } of newestFirst(history)) {
			const period = new Date(startedAt).toISOString().slice(0, length);
			periods.set(period, [...(periods.get(period) ?? []), name]);
		}
		const kept = [...periods.values()].slice(0, count).map(([newest]) => newest);
		const oldest = newestFirst(history).at(-1)?.name;
		return [...kept, ...(periods.size < count ? [oldest] : [])].filter(
			(name) => name !== undefined,
		);
	}

	test('keep what each of them keeps alone, and periods are parts of an ISO date', options, () => {
		fc.assert(
			fc.property(histories, rules, (history, given) => {
				const sorted = newestFirst(history);
				const alone = (rules: Partial<Rules>) => applyRules(sorted, rulesOf(rules)).keys();
				const expected = new Set([
					...sorted.slice(0, given.last).map(({ name }) => name),
					...byPeriod(history, given.hourly, 13),
					...byPeriod(history, given.daily, 10),
					...byPeriod(history, given.monthly, 7),
					...byPeriod(history, given.yearly, 4),
					...alone({ weekly: given.weekly }),
					...alone({ within: given.within }),
				]);
				expect(new Set(applyRules(sorted, given).keys())).toEqual(expected);
			}),
			check,
		);
	});
});
