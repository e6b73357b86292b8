import type { Tone, Verdict, VerdictState } from './types.ts';

/** The worst first. */
const TONES: readonly Tone[] = ['bad', 'notice', 'good'];
const STATES: readonly VerdictState[] = [
	...(['never', 'failing', 'overdue', 'unproven', 'locked', 'proven'] as const),
];

/** Sorts the worst verdict first. */
export function byUrgency(a: Verdict, b: Verdict): number {
	return (
		TONES.indexOf(a.tone) - TONES.indexOf(b.tone) ||
		STATES.indexOf(a.state) - STATES.indexOf(b.state)
	);
}
