import { describe, expect, test } from 'vitest';
import { backup, candidate, everyDay, rulesOf } from '../../../../../tests/histories.ts';
import type { Candidate } from './candidates.ts';
import { planRetention } from './plan.ts';
import { type Policy, SEED_POLICY } from './policy.ts';

const NOON = Date.parse('2026-11-22T12:00:00.000Z');
const DAY_MS = 86_400_000;
const context = { now: NOON, maxAgeMs: 32 * DAY_MS };
/** So strict that only the floors keep more than the newest. */
const LAST_ONE: Policy = { ...SEED_POLICY, rules: rulesOf({ last: 1 }) };

/** Ten days of backups, newest first, that differ from proven full ones in these ways. */
function tenDays(changes: Record<string, Partial<Candidate>> = {}): Candidate[] {
	const days = everyDay('2026-11-13', '2026-11-22').toReversed();
	return days.map((day) => backup(day, changes[day.slice(8)]));
}

/** The same, of which nothing is proven but the newest. */
function unproven(changes: Record<string, Partial<Candidate>> = {}): Candidate[] {
	const nothing = { provenAt: null, drilledAt: null };
	const days = ['13', '14', '15', '16', '17', '18', '19', '20', '21'];
	return tenDays(
		Object.fromEntries([
			...days.map((day) => [day, { ...nothing, ...changes[day] }]),
			['22', changes['22'] ?? {}],
		]),
	);
}

/** Days of the month that stay, with the codes of their reasons. */
function kept(candidates: Candidate[], policy = LAST_ONE, when = context): Record<string, string> {
	const { decisions } = planRetention(candidates, policy, when);
	const days = decisions.filter(({ keep }) => keep);
	return Object.fromEntries(
		days.map(({ name, reasons }) => [
			/-(\d\d)T/.exec(name)?.[1] ?? '',
			reasons.map(({ code }) => code).join(' '),
		]),
	);
}

describe('the floors', () => {
	test('a backup that no rule keeps goes', () => {
		const { decisions, blocked } = planRetention(unproven(), LAST_ONE, context);
		expect(blocked).toBeNull();
		expect(decisions.map(({ name }) => name)).toEqual(unproven().map(({ name }) => name));
		expect(decisions[0]).toMatchObject({ keep: true });
		expect(decisions[9]).toEqual({
			name: 'full_backup_2026-11-13T03:00:00.000Z',
			keep: false,
			reasons: [{ code: 'no_rule', text: 'no rule keeps it' }],
		});
	});

	test('the newest stays, with no rule for it too', () => {
		const later = [...unproven({ '22': { requested: true } })];
		expect(kept(later)).toMatchObject({ '22': 'newest drilled proven', '21': 'last' });
	});

	test('the newest that a drill has proven stays', () => {
		const drilled = { drilledAt: NOON, provenAt: null };
		const newest = { drilledAt: null };
		const days = unproven({ '14': drilled, '16': drilled, '22': newest });
		expect(kept(days)).toEqual({ '22': 'last newest proven', '16': 'drilled' });
	});

	test('the three newest with proven contents stay', () => {
		const proven = { provenAt: NOON };
		const days = unproven({ '13': proven, '14': proven, '18': proven });
		expect(kept(days)).toEqual({
			'22': 'last newest drilled proven',
			'18': 'proven',
			'14': 'proven',
		});
	});

	test('the newest proven one stays although its removal was requested', () => {
		const verified = { drilledAt: null, requested: true };
		const days = tenDays({ '22': { provenAt: null, drilledAt: null }, '21': verified });
		expect(kept(days)).toMatchObject({ '21': 'proven', '20': 'drilled proven', '19': 'proven' });
		expect(kept(days)).not.toHaveProperty('18');
	});

	test('one of the three newest proven ones may go on request, if three others stay', () => {
		const days = tenDays({ '21': { requested: true } });
		expect(kept(days)).toEqual({
			'22': 'last newest drilled proven',
			'20': 'proven',
			'19': 'proven',
		});
		const all = tenDays().map((day) => ({ ...day, requested: true }));
		expect(kept(all)).toEqual({ '22': 'newest drilled proven', '21': 'proven', '20': 'proven' });
	});

	test('what is pinned stays', () => {
		expect(
			kept(unproven({ '13': { pinned: true }, '17': { pinned: true, requested: true } })),
		).toEqual({ '22': 'last newest drilled proven', '17': 'pinned', '13': 'pinned' });
	});

	test('what is younger than BACKUP_KEEP_MIN_DAYS stays', () => {
		const policy = { ...LAST_ONE, minDays: 3 };
		expect(kept(unproven(), policy)).toEqual({
			'22': 'last newest drilled proven young',
			'21': 'young',
			'20': 'young',
		});
		const exactly = Date.parse('2026-11-23T03:00:00.000Z');
		expect(Object.keys(kept(unproven(), policy, { ...context, now: exactly }))).toEqual([
			'21',
			'22',
		]);
	});

	test('what nobody signed stays and counts for nothing', () => {
		const planted = { trusted: false, drilledAt: NOON, provenAt: NOON };
		const days = unproven({ '22': planted, '21': planted, '20': { provenAt: NOON } });
		expect(kept(days)).toEqual({
			'22': 'untrusted',
			'21': 'untrusted',
			'20': 'last newest proven',
		});
	});

	test('what is dated in the future stays, and stops everything', () => {
		const now = Date.parse('2026-11-20T12:00:00.000Z');
		const { decisions, blocked } = planRetention(tenDays(), LAST_ONE, { ...context, now });
		expect(blocked).toEqual({
			code: 'clock_behind',
			text: 'the clock is before the newest backup',
		});
		expect(decisions.every(({ keep }) => keep)).toBe(true);
		expect(kept(tenDays(), LAST_ONE, { ...context, now })).toMatchObject({
			'22': 'future',
			'21': 'future',
			'20': 'last newest drilled proven',
			'13': 'clock_behind',
		});
	});
});

describe('differentials', () => {
	/** Full backups on the 13th and the 18th, and differentials of them on the days after. */
	function week(changes: Record<string, Partial<Candidate>> = {}): Candidate[] {
		const nothing = { provenAt: null, drilledAt: null };
		return everyDay('2026-11-13', '2026-11-22').map((date) => {
			const day = date.slice(8);
			const full = day >= '18' ? '18' : '13';
			if (day === full) return backup(date, { ...nothing, ...changes[day] });
			const parent = `full_backup_2026-11-${full}T03:00:00.000Z`;
			return backup(date, { kind: 'incremental', parent, ...nothing, ...changes[day] });
		});
	}
	const proven = { provenAt: NOON };

	test('keep the full backup that they are based on', () => {
		const days = week({ '22': proven, '14': { pinned: true }, '15': { pinned: true } });
		expect(kept(days)).toEqual({
			'22': 'last newest proven',
			'18': 'needed',
			'15': 'pinned',
			'14': 'pinned',
			'13': 'needed',
		});
		const { decisions } = planRetention(days, LAST_ONE, context);
		const [other, one] = decisions.filter(({ reasons }) => reasons[0]?.code === 'needed');
		expect(other?.reasons[0]?.text).toBe('needed by incremental_backup_2026-11-22T03:00:00.000Z');
		expect(one?.reasons[0]?.text).toBe(
			'needed by incremental_backup_2026-11-15T03:00:00.000Z and 1 more',
		);
	});

	test('keep it even if a person asked to remove it', () => {
		expect(kept(week({ '22': proven, '18': { requested: true } }))).toMatchObject({
			'18': 'needed',
		});
	});

	test('let it go with the last of them', () => {
		expect(kept(week({ '22': proven }))).toEqual({ '22': 'last newest proven', '18': 'needed' });
	});

	test('count as damaged when it is gone or damaged', () => {
		const policy = { ...LAST_ONE, rules: rulesOf({ last: 2 }) };
		const gone = week({ '22': proven, '17': proven }).filter(({ name }) => !name.includes('11-18'));
		expect(kept(gone, policy)).toEqual({
			'22': 'last newest proven',
			'21': 'last',
			'17': 'last proven',
			'16': 'last',
			'13': 'needed',
		});
		const damaged = week({ '22': proven, '18': { damaged: true } });
		expect(Object.keys(kept(damaged, policy))).toEqual(['13', '16', '17', '18', '21', '22']);
	});
});

describe('a damaged backup', () => {
	test('does not take the place of a sound one', () => {
		const policy = { ...LAST_ONE, rules: rulesOf({ weekly: 2 }) };
		const days = unproven({ '15': { damaged: true } });
		const { decisions } = planRetention(days, policy, context);
		const stay = decisions.filter(({ keep }) => keep).map(({ name, reasons }) => [name, reasons]);
		expect(stay.slice(1)).toEqual([
			[
				'full_backup_2026-11-15T03:00:00.000Z',
				[{ code: 'weekly', text: 'weekly 2 of 2 (2026-W46)' }],
			],
			[
				'full_backup_2026-11-14T03:00:00.000Z',
				[{ code: 'weekly', text: 'weekly 2 of 2 (2026-W46), in place of a damaged one' }],
			],
		]);
	});
});

describe('nothing is removed', () => {
	const NONE: Policy = { ...SEED_POLICY, rules: null };

	test('without a policy', () => {
		const { decisions, blocked } = planRetention(unproven(), NONE, context);
		expect(blocked).toEqual({ code: 'no_policy', text: 'no policy is set' });
		expect(decisions.every(({ keep }) => keep)).toBe(true);
		expect(decisions[9]?.reasons).toEqual([{ code: 'no_policy', text: 'no policy is set' }]);
	});

	test('without a policy but what a person asked to remove', () => {
		const { decisions, blocked } = planRetention(
			unproven({ '13': { requested: true } }),
			NONE,
			context,
		);
		expect(blocked).toBeNull();
		expect(decisions.filter(({ keep }) => !keep)).toEqual([
			{
				name: 'full_backup_2026-11-13T03:00:00.000Z',
				keep: false,
				reasons: [{ code: 'requested', text: 'its removal was requested' }],
			},
		]);
	});

	test('while the newest backup is too old', () => {
		const old = { ...context, maxAgeMs: 9 * 3_600_000 };
		expect(planRetention(tenDays(), LAST_ONE, old).blocked).toBeNull();
		const { decisions, blocked } = planRetention(tenDays(), LAST_ONE, { ...old, now: NOON + 1 });
		expect(blocked).toEqual({
			code: 'newest_old',
			text: 'the newest backup is older than 9 hours',
		});
		expect(decisions.every(({ keep }) => keep)).toBe(true);
		expect(decisions[9]?.reasons).toEqual([blocked]);
	});

	test('while no backup that is young enough is proven', () => {
		const days = unproven({ '22': { provenAt: null, drilledAt: null }, '20': { provenAt: NOON } });
		expect(planRetention(days, LAST_ONE, { ...context, maxAgeMs: 3 * DAY_MS }).blocked).toBeNull();
		expect(planRetention(days, LAST_ONE, { ...context, maxAgeMs: 2 * DAY_MS }).blocked).toEqual({
			code: 'unproven',
			text: 'no backup of the last 48 hours is proven',
		});
	});

	test('because of a planted backup: it does not count', () => {
		const planted = { ...candidate(NOON + DAY_MS, 'full'), trusted: false };
		expect(planRetention([planted, ...tenDays()], LAST_ONE, context).blocked).toBeNull();
		const all = tenDays().map((day) => ({ ...day, trusted: false }));
		const { decisions, blocked } = planRetention(all, LAST_ONE, context);
		expect(blocked).toBeNull();
		expect(decisions.every(({ keep }) => keep)).toBe(true);
	});

	test('of nothing', () => {
		expect(planRetention([], LAST_ONE, context)).toEqual({ decisions: [], blocked: null });
	});
});
