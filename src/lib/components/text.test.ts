import { describe, expect, test } from 'vitest';
import { ago, bytes, count, counted, duration, harmless, shortened, signed, span } from './text.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

test('numbers', () => {
	expect(count(1_234_567)).toBe('1,234,567');
	expect([0, 1, 1_234].map((number) => counted(number, 'backup'))).toEqual([
		'0 backups',
		'1 backup',
		'1,234 backups',
	]);
	expect([12, -5, 0].map((number) => signed(number))).toEqual(['+12', '−5', '0']);
	expect(signed(-1_200, bytes)).toBe('−1.20 kB');
});

test.for([
	[0, '0 bytes'],
	[1, '1 byte'],
	[999, '999 bytes'],
	[1_000, '1.00 kB'],
	[12_345, '12.3 kB'],
	[123_456, '123 kB'],
	[1_310_000, '1.31 MB'],
	[2e18, '2000 PB'],
] as const)('%d bytes', ([number, text]) => {
	expect(bytes(number)).toBe(text);
});

test.for([
	[84.4, '84 ms'],
	[3_400, '3.4 s'],
	[99_999, '100.0 s'],
	[720_000, '12 min'],
	[90_000_000, '1,500 min'],
] as const)('%d ms of work', ([milliseconds, text]) => {
	expect(duration(milliseconds)).toBe(text);
});

test.for([
	[0, '1 minute'],
	[89_999, '1 minute'],
	[90_000, '2 minutes'],
	[89 * MINUTE, '89 minutes'],
	[90 * MINUTE, '2 hours'],
	[47 * HOUR, '47 hours'],
	[48 * HOUR, '2 days'],
	[12 * 24 * HOUR, '12 days'],
] as const)('a span of %d ms', ([milliseconds, text]) => {
	expect(span(milliseconds)).toBe(text);
});

test('how long ago', () => {
	expect(ago(0, 59_999)).toBe('just now');
	expect(ago(0, 5 * HOUR)).toBe('5 hours ago');
});

describe('a text from anywhere', () => {
	test.for([
		['a name', 'Müller’s 表', 'Müller’s 表'],
		['the selector of an emoji', '❤️', '❤️'],
		['bidi controls', 'a\u202eb\u2066c', 'a\\u{202e}b\\u{2066}c'],
		['no width', 'a\u200bb\ufeff', 'a\\u{200b}b\\u{feff}'],
		['control characters and line ends', '\u0000\n\u2028', '\\u{0}\\u{a}\\u{2028}'],
		['half of a pair', 'a\ud800', 'a\\u{d800}'],
		['a tag character', '\u{e0041}', '\\u{e0041}'],
		['a filler', '\u3164', '\\u{3164}'],
		['four marks on a letter', 'Z\u0300\u0301\u0302\u0303', 'Z\u0300\u0301\u0302\u0303'],
		['five marks', 'Z\u0300\u0301\u0302\u0303\u0304', 'Z\u0300\u0301\u0302\u0303\\u{304}'],
	] as const)('%s', ([, text, shown]) => {
		expect(harmless(text)).toBe(shown);
	});

	test('is cut to so many characters, between two pairs', () => {
		expect(shortened('abcd', 4)).toBe('abcd');
		expect(shortened('abcde', 4)).toBe('abc…');
		expect(shortened('ab😀de', 4)).toBe('ab…');
	});
});
