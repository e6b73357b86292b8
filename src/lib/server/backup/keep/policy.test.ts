import { describe, expect, test } from 'vitest';
import { rulesOf } from '../../../../../tests/histories.ts';
import { printDuration, readPolicy, SEED_POLICY, shareOf } from './policy.ts';

describe('the policy in the settings', () => {
	test.for([
		undefined,
		{},
		{ BACKUP_KEEP_DAILY: '', BACKUP_KEEP_WITHIN: ' ' },
		{ BACKUP_KEEP_DAILY: '0', BACKUP_KEEP_LAST: '0', BACKUP_KEEP_WITHIN: '0d' },
		{ BACKUP_KEEP_MIN_DAYS: '7' },
	])('has no rules with %o', (env) => {
		expect(readPolicy(env).rules).toBeNull();
	});

	test('has one rule for each setting', () => {
		const policy = readPolicy({
			BACKUP_KEEP_LAST: '1',
			BACKUP_KEEP_HOURLY: '2',
			BACKUP_KEEP_DAILY: '3',
			BACKUP_KEEP_WEEKLY: '4',
			BACKUP_KEEP_MONTHLY: '5',
			BACKUP_KEEP_YEARLY: '6',
			BACKUP_KEEP_WITHIN: '7d',
			BACKUP_KEEP_MIN_DAYS: '8',
			BACKUP_PRUNE_MAX_PERCENT: '9',
		});
		const within = { years: 0, months: 0, days: 7, hours: 0 };
		const rules = { last: 1, hourly: 2, daily: 3, weekly: 4, monthly: 5, yearly: 6, within };
		expect(policy).toEqual({ rules, minDays: 8, maxPercent: 9 });
	});

	test('a rule that is not set keeps nothing', () => {
		expect(readPolicy({ BACKUP_KEEP_DAILY: '7' }).rules).toEqual(rulesOf({ daily: 7 }));
		expect(readPolicy({ BACKUP_KEEP_WITHIN: '1y' }).rules).toEqual(
			rulesOf({ within: { years: 1, months: 0, days: 0, hours: 0 } }),
		);
	});

	test('that setup writes down is daily for a week, weekly for a month, monthly for a year', () => {
		const written = { BACKUP_KEEP_DAILY: '7', BACKUP_KEEP_WEEKLY: '4', BACKUP_KEEP_MONTHLY: '12' };
		expect(readPolicy(written)).toEqual(SEED_POLICY);
	});

	test.for([
		['1y5m7d2h', '1y5m7d2h'],
		['2h7d', '7d2h'],
		['18m', '18m'],
		['0y30d', '30d'],
		['1d2d', '2d'], // as in restic, the last one counts
	] as const)('BACKUP_KEEP_WITHIN=%s is read as %s', ([BACKUP_KEEP_WITHIN, printed]) => {
		const { rules } = readPolicy({ BACKUP_KEEP_WITHIN });
		expect(rules?.within && printDuration(rules.within)).toBe(printed);
	});

	test.for([
		['BACKUP_KEEP_WITHIN', ['7', 'd', '1w', '-1d', '1.5d', '7 d', '1d,2h', 'd7', '1000d', '1D']],
		['BACKUP_KEEP_LAST', ['-1', '1.5', 'all', '1e3', '7d', '0x7']],
		['BACKUP_KEEP_DAILY', ['-7', '0.5', 'seven']],
		['BACKUP_KEEP_MIN_DAYS', ['-1', '0.5', '1d']],
		['BACKUP_PRUNE_MAX_PERCENT', ['0', '101', '12.5', '25%']],
	] as const)('%s is refused as %o', ([name, values]) => {
		for (const value of values) {
			expect(() => readPolicy({ [name]: value })).toThrow(
				expect.objectContaining({ code: `${name.toLowerCase()}_invalid`, status: 500 }),
			);
		}
	});
});

test.for([
	[100, 25],
	[7, 1],
	[3, 1],
	[0, 1],
] as const)('of %i backups one run removes %i at most', ([total, share]) => {
	expect(shareOf(SEED_POLICY, total)).toBe(share);
});
