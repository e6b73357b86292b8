import { expect, test } from 'vitest';
import { chartOf, roundEnd } from './scale.ts';
import type { Measured } from './types.ts';

const one = (bytes: number): Measured => ({
	...{ at: '2026-11-27T10:02:00.000Z', kind: 'full', bytes, rows: 3, milliseconds: 150_000 },
});

test.for([
	[0, 2],
	[2, 2],
	[3, 4],
	[8, 8],
	[9, 10],
	[10, 20],
	[61, 80],
	[81, 100],
	[1_310_000, 2_000_000],
])('an axis for %d ends at %d', ([largest = 0, end]) => {
	expect(roundEnd(largest, 'bytes')).toBe(end);
});

test('long times end at round minutes', () => {
	expect(roundEnd(100_000, 'milliseconds')).toBe(200_000);
	expect(roundEnd(100_001, 'milliseconds')).toBe(120_000); // 2 minutes
	expect(roundEnd(330_000, 'milliseconds')).toBe(360_000); // 6 minutes
});

test('bars stand on zero, the newest at the right', () => {
	const { slots, bars, ticks } = chartOf([one(500_000), one(2_000_000)], 'bytes');
	expect(slots).toBe(24);
	expect(bars.map(({ slot, height }) => [slot, height])).toEqual([
		[22, 25],
		[23, 100],
	]);
	expect(ticks).toEqual(['2 MB', '1 MB', '0']);
});

test('many bars get more room', () => {
	const { slots, bars } = chartOf(
		Array.from({ length: 60 }, () => one(1)),
		'bytes',
	);
	expect([slots, bars[0]?.slot, bars[59]?.slot]).toEqual([60, 0, 59]);
});

test('each measure has its own words', () => {
	expect(chartOf([one(15_000_000)], 'bytes').ticks).toEqual(['20 MB', '10 MB', '0']);
	expect(chartOf([one(250)], 'bytes').ticks).toEqual(['400 bytes', '200 bytes', '0']);
	expect(chartOf([one(3_000_000)], 'bytes').ticks).toEqual(['4 MB', '2 MB', '0']);
	expect(chartOf([one(1)], 'rows').ticks).toEqual(['4', '2', '0']);
	expect(chartOf([one(1)], 'milliseconds').ticks).toEqual(['4 min', '2 min', '0']);
});

test('no backup is an empty picture', () => {
	expect(chartOf([], 'rows')).toEqual({ slots: 24, bars: [], ticks: ['2', '1', '0'] });
});
