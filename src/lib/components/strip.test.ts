import { expect, test } from 'vitest';
import { alarming, rowsOf, statesOf, summaryOf, titleOf } from './strip.ts';
import type { Day, DayState } from './types.ts';

const NONE = { backups: 0, proven: 0, failures: 0, code: null };

/** A day of November for each state. */
function days(...states: DayState[]): Day[] {
	return states.map((state, index) => ({
		...{ date: `2026-11-${String(index + 1).padStart(2, '0')}`, state },
		...NONE,
	}));
}

test('the legend has the states that occur, the best first', () => {
	expect(statesOf(days('failed', 'proven', 'failed', 'before'))).toEqual([
		'before',
		'proven',
		'failed',
	]);
	expect(statesOf([])).toEqual([]);
});

test('the summary counts the days since the first backup', () => {
	expect(summaryOf(days('before', 'proven', 'proven', 'idle', 'overdue'))).toBe(
		'4 days: 1 none due, 2 proven, 1 overdue.',
	);
	expect(summaryOf(days('backed-up'))).toBe('1 day: 1 backed up.');
	expect(summaryOf(days('before', 'before'))).toBe('Nothing has happened yet.');
	expect(summaryOf([])).toBe('Nothing has happened yet.');
});

test('only failed and overdue days alarm, the newest first', () => {
	const all = days(
		'failed',
		'warned',
		'running',
		'idle',
		'overdue',
		'backed-up',
		'proven',
		'before',
	);
	expect(alarming(all).map(({ date }) => date)).toEqual(['2026-11-05', '2026-11-01']);
});

test.for<[string, Partial<Day>]>([
	['27 Nov 2026: proven. 2 backups.', { state: 'proven', backups: 2, proven: 2 }],
	['27 Nov 2026: none due.', { state: 'idle' }],
	['27 Nov 2026: failed. 1 failed try (storage_error).', { failures: 1, code: 'storage_error' }],
	['27 Nov 2026: failed. 1 backup, 3 failed tries.', { backups: 1, failures: 3 }],
	['27 Nov 2026: failed. 1 failed try (\\u{202e}).', { failures: 1, code: '\u202e' }],
])('a day in words: %s', ([title, rest]) => {
	expect(titleOf({ ...NONE, date: '2026-11-27', state: 'failed', ...rest })).toBe(title);
});

test('on a phone 45 days are a row', () => {
	const lengthsOf = (count: number) => {
		const all = days(...Array<DayState>(count).fill('idle'));
		expect(rowsOf(all).flat()).toEqual(all);
		return rowsOf(all).map(({ length }) => length);
	};
	expect([0, 1, 45, 46, 90].map(lengthsOf)).toEqual([[], [1], [45], [45, 1], [45, 45]]);
});
