import { expect, test } from 'vitest';
import type { Tone, Verdict, VerdictState } from './types.ts';
import { byUrgency } from './urgency.ts';

const verdict = (tone: Tone, state: VerdictState): Verdict => ({
	...{ tone, state, sentence: '', also: [], advice: null },
});

test('the worst tone comes first, then the worst state', () => {
	const sorted = [
		verdict('bad', 'never'),
		verdict('bad', 'failing'),
		verdict('bad', 'overdue'),
		verdict('bad', 'unproven'),
		verdict('notice', 'failing'),
		verdict('notice', 'locked'),
		verdict('notice', 'proven'),
		verdict('good', 'proven'),
	];
	expect(sorted.toReversed().toSorted(byUrgency)).toEqual(sorted);
});
