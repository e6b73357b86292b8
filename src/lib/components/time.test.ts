import { expect, test } from 'vitest';
import { printDay, printTime } from './time.ts';

const AT = '2026-11-27T23:02:05.000Z';

test.for([
	['day', 'UTC', '27 Nov 2026'],
	['minute', 'UTC', '27 Nov 2026, 23:02'],
	['second', 'UTC', '27 Nov 2026, 23:02:05'],
	['minute', 'Asia/Tokyo', '28 Nov 2026, 08:02'],
	['second', 'America/New_York', '27 Nov 2026, 18:02:05'],
] as const)('to the %s, in %s', ([precision, zone, text]) => {
	expect(printTime(AT, precision, zone)).toBe(text);
});

test('midnight is 00, not 24', () => {
	expect(printTime('2026-11-27T00:00:00.000Z', 'minute', 'UTC')).toBe('27 Nov 2026, 00:00');
});

test('a day of an axis is one in UTC, without the year', () => {
	expect(printDay('2026-11-27')).toBe('27 Nov');
	expect(printDay(AT)).toBe('27 Nov');
	expect(printDay('')).toBe('');
});

test('what is not a time is shown, harmless and short', () => {
	expect(printTime('yester\u202eday', 'minute', 'UTC')).toBe('yester\\u{202e}day');
	expect(printTime('x'.repeat(10_000), 'minute', 'UTC')).toBe(`${'x'.repeat(39)}…`);
});
