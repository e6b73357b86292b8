import { expect, test } from 'vitest';
import { listedWarnings, withWarnings } from './warnings.ts';

test.for<[string, Parameters<typeof listedWarnings>[0], string[]]>([
	['no warning', { warnings: 0, warningTexts: [] }, []],
	['no warning, by an older app', { warnings: 0 }, []],
	['all warnings', { warnings: 2, warningTexts: ['a', 'b'] }, ['a', 'b']],
	['their number alone', { warnings: 1 }, ['The manifest of this backup has 1 warning.']],
	[
		'some of them',
		{ warnings: 3, warningTexts: ['a'] },
		['a', 'The manifest of this backup has 2 more warnings.'],
	],
])('of a backup that is listed with %s', ([, listed, told]) => {
	expect(listedWarnings(listed)).toEqual(told);
});

test('are counted in a verdict', () => {
	const verdicts = [[], ['a'], ['a', 'b']].map(withWarnings);
	expect(verdicts).toEqual(['', ', with 1 warning', ', with 2 warnings']);
});
