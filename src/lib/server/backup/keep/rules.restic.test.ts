import { describe, expect, test } from 'vitest';
import { rulesOf } from '../../../../../tests/histories.ts';
import type { Rules } from './policy.ts';
import { applyRules } from './rules.ts';

/** The history of restic's own test (`internal/data/snapshot_policy_test.go`): 103 snapshots. */
const EARLY = ['01', '02', '05', '06', '08', '09', '10', '11', '20', '22'];
const LATE = ['08', '10', '12', '13', '13', '15', '18', '20', '21', '22'];
const MONTHS: [string, string[]][] = [
	['08', LATE],
	['09', EARLY],
	['10', EARLY],
	['11', LATE],
];
const AUTUMNS = ['2014', '2015'].flatMap((year) =>
	MONTHS.flatMap(([month, days]) => days.map((day) => `${year}-${month}-${day}T10:20`)),
);
const SAME_MOMENT = Array.from({ length: 4 }, () => '2015-10-22T10:20');
const JANUARY = [
	...[
		'01T01:02',
		'01T01:03',
		'01T07:08',
		'03T07:02',
		'04T10:23',
		'04T11:23',
		'04T12:23',
		'04T12:24',
	],
	...[
		'04T12:28',
		'04T12:30',
		'04T16:23',
		'05T09:02',
		'06T08:02',
		'07T10:02',
		'08T20:02',
		'09T21:02',
	],
	...['12T21:02', '12T21:08', '18T12:02'],
].map((time) => `2016-01-${time}`);

const newestFirst = [...AUTUMNS, ...SAME_MOMENT, ...JANUARY]
	.toSorted()
	.toReversed()
	.map((time, index) => ({ name: `${time} ${index}`, startedAt: Date.parse(`${time}Z`) }));

/** What stays, newest first, as `16-01-18T12:02`. */
function kept(rules: Partial<Rules>): string[] {
	const reasons = applyRules(newestFirst, rulesOf(rules));
	return newestFirst.filter(({ name }) => reasons.has(name)).map(({ name }) => name.slice(2, 16));
}

const DAYS = [
	...['16-01-18T12:02', '16-01-12T21:08', '16-01-09T21:02', '16-01-08T20:02', '16-01-07T10:02'],
	...['16-01-06T08:02', '16-01-05T09:02', '16-01-04T16:23', '16-01-03T07:02', '16-01-01T07:08'],
];
const EARLIER_DAYS = [
	...['15-11-22', '15-11-21', '15-11-20', '15-11-18', '15-11-15', '15-11-13', '15-11-12'],
	...['15-11-10', '15-11-08', '15-10-22', '15-10-20', '15-10-11', '15-10-10', '15-10-09'],
	...['15-10-08', '15-10-06', '15-10-05', '15-10-02', '15-10-01', '15-09-22'],
].map((day) => `${day}T10:20`);
const WEEKS = ['16-01-18T12:02', '16-01-12T21:08', '16-01-09T21:02', '16-01-03T07:02'];
const MONTH_ENDS = ['15-11-22', '15-10-22', '15-09-22', '15-08-22', '14-11-22'].map(
	(day) => `${day}T10:20`,
);
const HOURS = [
	...DAYS.slice(0, 8),
	...['16-01-04T12:30', '16-01-04T11:23', '16-01-04T10:23'],
	...['16-01-03T07:02', '16-01-01T07:08', '16-01-01T01:03'],
	...EARLIER_DAYS.slice(0, 6),
];

describe("what restic keeps of its own test's history (testdata/policy_keep_snapshots_*)", () => {
	test.for<[string, Partial<Rules>, string[]]>([
		['5', { hourly: 20 }, HOURS],
		['6', { daily: 3 }, DAYS.slice(0, 3)],
		['7', { daily: 10 }, DAYS],
		['8', { daily: 30 }, [...DAYS, ...EARLIER_DAYS]],
		['9', { last: 5, daily: 5 }, DAYS.slice(0, 5).toSpliced(2, 0, '16-01-12T21:02')],
		['10', { last: 2, daily: 10 }, DAYS],
		['11', { weekly: 2 }, WEEKS.slice(0, 2)],
		['12', { weekly: 4 }, WEEKS],
		['13', { daily: 3, weekly: 4 }, WEEKS],
		['14', { monthly: 6 }, ['16-01-18T12:02', ...MONTH_ENDS]],
		['15', { daily: 2, weekly: 2, monthly: 6 }, [...DAYS.slice(0, 2), ...MONTH_ENDS]],
		[
			'16',
			{ yearly: 10 },
			['16-01-18T12:02', '15-11-22T10:20', '14-11-22T10:20', '14-08-08T10:20'],
		],
		[
			'17',
			{ daily: 7, weekly: 2, monthly: 3, yearly: 10 },
			[...DAYS.slice(0, 7), ...MONTH_ENDS.slice(0, 2), '14-11-22T10:20', '14-08-08T10:20'],
		],
	])('%s: %o', ([, rules, expected]) => {
		expect(kept(rules)).toEqual(expected);
	});

	test.for([
		['1', { last: 10 }, 10],
		['2', { last: 15 }, 15],
		['3', { last: 99 }, 99],
		['4', { last: 200 }, 103],
		['21', { within: { years: 0, months: 0, days: 1, hours: 0 } }, 1],
		['22', { within: { years: 0, months: 0, days: 2, hours: 0 } }, 1],
		['23', { within: { years: 0, months: 0, days: 7, hours: 0 } }, 3],
		['24', { within: { years: 0, months: 1, days: 0, hours: 0 } }, 19],
		['25', { within: { years: 0, months: 1, days: 14, hours: 0 } }, 19],
		['26', { within: { years: 1, months: 1, days: 1, hours: 0 } }, 63],
		['27', { within: { years: 0, months: 0, days: 13, hours: 23 } }, 9],
		['28', { within: { years: 0, months: 2, days: 0, hours: 2 } }, 23],
		['29', { within: { years: 1, months: 2, days: 3, hours: 3 } }, 68],
	] as const)('%s: %o keeps the newest %i', ([, rules, count]) => {
		const newest = newestFirst.slice(0, count).map(({ name }) => name.slice(2, 16));
		expect(kept(rules)).toEqual(newest);
	});

	test('only the yearly rule has slots left, and so keeps the oldest', () => {
		const rules = rulesOf({ daily: 7, weekly: 2, monthly: 3, yearly: 10 });
		const [, reasons] = [...applyRules(newestFirst, rules)].at(-1) ?? [];
		expect(reasons).toEqual([{ code: 'oldest', text: 'oldest, yearly 4 of 10 (2014)' }]);
	});
});
