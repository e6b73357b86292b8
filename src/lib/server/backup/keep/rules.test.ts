import { describe, expect, test } from 'vitest';
import { backup, everyDay, rulesOf } from '../../../../../tests/histories.ts';
import type { Rules } from './policy.ts';
import { applyRules } from './rules.ts';

/** What the rules keep of backups at these times, newest first: each time as it was given, and why. */
function kept(times: readonly string[], rules: Partial<Rules>): [string, string[]][] {
	const dated = times.map((time) => ({ ...backup(time), time }));
	const newestFirst = dated.sort((a, b) => b.startedAt - a.startedAt);
	const reasons = applyRules(newestFirst, rulesOf(rules));
	return newestFirst.flatMap(({ name, time }) => {
		const found = reasons.get(name);
		return found ? [[time, found.map(({ text }) => text)]] : [];
	});
}

function keptTimes(times: readonly string[], rules: Partial<Rules>): string[] {
	return kept(times, rules).map(([time]) => time);
}

describe('weekly backups, as in the example of restic (Removing backup snapshots)', () => {
	const sundays = everyDay('2019-09-01', '2019-11-17').filter((_, index) => index % 7 === 0);

	test('daily 4 keeps the last four days that have a backup', () => {
		expect(kept(sundays, { daily: 4 })).toEqual([
			['2019-11-17', ['daily 1 of 4 (2019-11-17)']],
			['2019-11-10', ['daily 2 of 4 (2019-11-10)']],
			['2019-11-03', ['daily 3 of 4 (2019-11-03)']],
			['2019-10-27', ['daily 4 of 4 (2019-10-27)']],
		]);
	});

	test('rules are ORed, and each of them says why it keeps a backup', () => {
		expect(kept(sundays, { last: 1, weekly: 2, monthly: 4 })).toEqual([
			['2019-11-17', ['last 1 of 1', 'weekly 1 of 2 (2019-W46)', 'monthly 1 of 4 (2019-11)']],
			['2019-11-10', ['weekly 2 of 2 (2019-W45)']],
			['2019-10-27', ['monthly 2 of 4 (2019-10)']],
			['2019-09-29', ['monthly 3 of 4 (2019-09)']],
			['2019-09-01', ['oldest, monthly 4 of 4 (2019-09)']],
		]);
	});
});

describe('a year of daily backups, as in the example of borg (borg prune visualized)', () => {
	const year = everyDay('2015-01-01', '2015-12-31').filter((date) => date !== '2015-12-19');

	// Borg counts a backup for one rule only, so it also keeps 2015-06-30 and the oldest, 2015-01-01.
	test('a backup counts for every rule that it fits, as in restic', () => {
		expect(keptTimes(year, { daily: 14, monthly: 6, yearly: 1 })).toEqual([
			...everyDay('2015-12-20', '2015-12-31').toReversed(),
			...['2015-12-18', '2015-12-17'],
			...['2015-11-30', '2015-10-31', '2015-09-30', '2015-08-31', '2015-07-31'],
		]);
	});

	test('with slots for what borg also keeps, it is the same', () => {
		expect(keptTimes(year, { daily: 14, monthly: 7, yearly: 2 })).toEqual([
			...everyDay('2015-12-20', '2015-12-31').toReversed(),
			...['2015-12-18', '2015-12-17'],
			...['2015-11-30', '2015-10-31', '2015-09-30', '2015-08-31', '2015-07-31', '2015-06-30'],
			'2015-01-01',
		]);
	});
});

describe('400 daily backups, the last of them on Sunday, 2026-11-22', () => {
	const days = everyDay('2025-10-19', '2026-11-22');
	const WEEK = everyDay('2026-11-16', '2026-11-22').toReversed();
	const SUNDAYS = ['2026-11-15', '2026-11-08', '2026-11-01'];
	const MONTHS = [
		...['2026-10-31', '2026-09-30', '2026-08-31', '2026-07-31', '2026-06-30', '2026-05-31'],
		...['2026-04-30', '2026-03-31', '2026-02-28', '2026-01-31', '2025-12-31'],
	];

	test('are 400', () => {
		expect(days).toHaveLength(400);
	});

	test.for<[string, Partial<Rules>, string[]]>([
		['the last three', { last: 3 }, ['2026-11-22', '2026-11-21', '2026-11-20']],
		['an hour a day', { hourly: 5 }, WEEK.slice(0, 5)],
		['a week', { daily: 7 }, WEEK],
		['more days than there are', { daily: 1000 }, days.toReversed()],
		['four weeks', { weekly: 4 }, ['2026-11-22', ...SUNDAYS]],
		['more weeks than there are', { weekly: 100 }, days.filter((_, i) => i % 7 === 0).toReversed()],
		['twelve months', { monthly: 12 }, ['2026-11-22', ...MONTHS]],
		[
			'more months than there are: the oldest stays too',
			{ monthly: 20 },
			['2026-11-22', ...MONTHS, '2025-11-30', '2025-10-31', '2025-10-19'],
		],
		['five years', { yearly: 5 }, ['2026-11-22', '2025-12-31', '2025-10-19']],
		[
			'a month before the newest',
			{ within: { years: 0, months: 1, days: 0, hours: 0 } },
			everyDay('2026-10-23', '2026-11-22').toReversed(),
		],
		[
			'daily for a week, weekly for a month, monthly for a year',
			{ daily: 7, weekly: 4, monthly: 12 },
			[...WEEK, ...SUNDAYS, ...MONTHS],
		],
	])('%s', ([, rules, expected]) => {
		expect(keptTimes(days, rules)).toEqual(expected);
	});
});

describe('calendars', () => {
	test('a leap day is the last of its February', () => {
		const days = everyDay('2028-01-30', '2028-03-02');
		expect(keptTimes(days, { monthly: 3 })).toEqual(['2028-03-02', '2028-02-29', '2028-01-31']);
	});

	test.for([
		// A day that the earlier month lacks is a day of the next one: February 31 is March 2 or 3.
		['2028-03-31', { years: 0, months: 1, days: 0, hours: 0 }, '2028-03-03'],
		['2027-03-31', { years: 0, months: 1, days: 0, hours: 0 }, '2027-03-04'],
		['2028-02-29', { years: 1, months: 0, days: 0, hours: 0 }, '2027-03-02'],
		['2028-03-01', { years: 0, months: 0, days: 1, hours: 0 }, '2028-03-01'],
		['2028-03-01', { years: 0, months: 0, days: 1, hours: 1 }, '2028-02-29'],
	] as const)('before %s, %o goes back to %s', ([newest, within, oldest]) => {
		const days = everyDay('2027-01-01', newest);
		expect(keptTimes(days, { within }).at(-1)).toBe(oldest);
	});

	test('weeks are ISO weeks, from Monday, whose year is that of their Thursday', () => {
		const days = [
			'2020-12-27',
			'2020-12-28',
			'2021-01-03',
			'2021-01-04',
			'2024-12-30',
			'2026-12-31',
		];
		expect(kept(days, { weekly: 5 })).toEqual([
			['2026-12-31', ['weekly 1 of 5 (2026-W53)']],
			['2024-12-30', ['weekly 2 of 5 (2025-W01)']],
			['2021-01-04', ['weekly 3 of 5 (2021-W01)']],
			['2021-01-03', ['weekly 4 of 5 (2020-W53)']],
			['2020-12-27', ['weekly 5 of 5 (2020-W52)']],
		]);
	});

	test('days and hours begin in UTC', () => {
		const times = [
			'2026-11-21T23:59:59.999Z',
			'2026-11-22T00:00:00.000Z',
			'2026-11-22T00:59:59.999Z',
		];
		expect(kept(times, { hourly: 2 })).toEqual([
			['2026-11-22T00:59:59.999Z', ['hourly 1 of 2 (2026-11-22 00h)']],
			['2026-11-21T23:59:59.999Z', ['hourly 2 of 2 (2026-11-21 23h)']],
		]);
		expect(keptTimes(times, { daily: 1 })).toEqual(['2026-11-22T00:59:59.999Z']);
	});

	test('periods without a backup do not count', () => {
		const days = ['2020-02-29', '2023-06-01', '2023-06-02', '2026-11-22'];
		expect(keptTimes(days, { yearly: 2 })).toEqual(['2026-11-22', '2023-06-02']);
		expect(keptTimes(days, { daily: 3 })).toEqual(['2026-11-22', '2023-06-02', '2023-06-01']);
	});

	test('the oldest stays once, where it is the newest of its period already', () => {
		expect(kept(['2026-11-22'], { daily: 7 })).toEqual([
			['2026-11-22', ['daily 1 of 7 (2026-11-22)']],
		]);
	});

	test('of a moment, the one that comes first counts as the newest', () => {
		const time = Date.parse('2026-11-22T21:52:00.000Z');
		const names = ['incremental', 'full', 'another'];
		const ties = names.map((name) => ({ name, startedAt: time }));
		expect([...applyRules(ties, rulesOf({ hourly: 2 })).keys()]).toEqual([
			'incremental',
			'another',
		]);
		expect([...applyRules(ties, rulesOf({ last: 2 })).keys()]).toEqual(['incremental', 'full']);
	});

	test('nothing is kept of nothing', () => {
		const within = { years: 1, months: 0, days: 0, hours: 0 };
		expect(kept([], { last: 1, daily: 1, within })).toEqual([]);
	});
});
