import { describe, expect, test } from 'vitest';
import { viewOf } from './run.ts';
import type { Run } from './types.ts';

const START = Date.parse('2026-11-27T10:02:00.000Z');
const RUN: Run = {
	...{ name: 'full_backup_2026-11-27T10:02:00.000Z', startedAt: new Date(START).toISOString() },
	...{ state: 'running', resumesAt: null, step: 1, attempt: 1, table: 'orders', error: null },
	...{ tables: 3, rows: 4_000, sqlBytes: 2_000_000 },
	expected: { tables: 8, rows: 12_000, sqlBytes: 8_000_000 },
};
const view = (rest: Partial<Run>, seconds = 60) =>
	viewOf({ ...RUN, ...rest }, START + seconds * 1000);

describe('how far a run is', () => {
	test('goes by the bytes of the backup before', () => {
		expect(view({}).part).toBe(0.25);
		expect(view({ expected: null }).part).toBeNull();
		expect(view({ expected: { tables: 0, rows: 0, sqlBytes: 0 } }).part).toBeNull();
	});

	test('is never all before it is done, and then always', () => {
		expect(view({ sqlBytes: 9_000_000 })).toMatchObject({ part: 0.99, left: 'almost done' });
		expect(view({ state: 'done' }).part).toBe(1);
		expect(view({ state: 'done', expected: null }).part).toBe(1);
	});

	test('says what is left, once that can be estimated', () => {
		expect(view({}, 60).left).toBe('about 3 minutes left'); // a quarter in one minute
		expect(view({}, 2).left).toBe('');
		expect(view({ sqlBytes: 80_000 }).left).toBe('');
		expect(view({ expected: null }).left).toBe('');
		expect(view({ state: 'waiting' }).left).toBe('');
	});

	test('is said aloud with every tenth only', () => {
		expect(view({ sqlBytes: 2_400_000 }).spoken).toBe('Backing up. 30 % done.');
		expect(view({ sqlBytes: 3_100_000 }).spoken).toBe('Backing up. 30 % done.');
		expect(view({ expected: null }).spoken).toBe('Backing up.');
	});

	test('counts out of what is expected, unless there is more', () => {
		expect(view({}).counts).toBe('3 of 8 tables, 4,000 of 12,000 rows, 2.00 MB of 8.00 MB');
		const more = { tables: 9, rows: 12_001, sqlBytes: 8_000_001 };
		expect(view(more).counts).toBe('9 tables, 12,001 rows, 8.00 MB');
		const one = { tables: 1, rows: 1, sqlBytes: 1 };
		expect(view({ ...one, expected: null }).counts).toBe('1 table, 1 row, 1 byte');
		expect(view({ ...one, expected: one }).counts).toBe(
			'1 of 1 table, 1 of 1 row, 1 byte of 1 byte',
		);
	});
});

describe('what a run does', () => {
	const resumesAt = new Date(START + 10 * 60_000).toISOString();
	const error = { error: 'Slow.', code: 'database_unavailable', hint: 'Try again.' };

	test.for<[string, Partial<Run>]>([
		['Backing up', {}],
		['Starting over, attempt 2: somebody wrote', { attempt: 2 }],
		['The backup is complete', { state: 'done' }],
		['The backup failed: database_unavailable', { state: 'failed', error }],
		['The backup failed: unknown', { state: 'failed' }],
		['Waiting, the next step may begin in 9 minutes', { state: 'waiting', resumesAt }],
		['Waiting for the next step', { state: 'waiting', resumesAt: RUN.startedAt }],
		['Waiting for the next step', { state: 'waiting' }],
	])('%s', ([title, rest]) => {
		expect(view(rest).title).toBe(title);
	});

	test('a code from anywhere is made harmless, and cut', () => {
		const code = `a\u202e${'b'.repeat(10_000)}`;
		const { title, spoken } = view({ state: 'failed', error: { ...error, code } });
		expect(title).toMatch(/^The backup failed: a\\u\{202e\}b{57}…$/);
		expect(spoken.startsWith(title)).toBe(true);
	});
});
