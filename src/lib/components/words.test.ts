import { describe, expect, test } from 'vitest';
import type { ProofResult } from './types.ts';
import { markWords, proofRowWords, proofWords } from './words.ts';

const proof = (at: string, rest: Partial<ProofResult> = {}): ProofResult => ({
	...{ at, proven: true, scope: 'contents', ...rest },
});
const MON = proof('2026-11-23T05:00:00.000Z');
const TUE = proof('2026-11-24T05:00:00.000Z');
const DAMAGED = { proven: false };

describe('the last proofs of a backup', () => {
	test.for([
		['Not proven', null, null, null],
		['Verified', MON, null, MON.at],
		['Verified as stored', { ...MON, scope: 'stored' }, null, MON.at],
		['Drilled', TUE, MON, MON.at], // the stronger one, also if it is older
		['Damaged', { ...TUE, ...DAMAGED }, MON, TUE.at],
		['Damaged', TUE, { ...MON, ...DAMAGED }, MON.at],
		['Damaged', { ...TUE, ...DAMAGED }, { ...MON, ...DAMAGED }, MON.at],
	] as const)('%s', ([text, verified, drilled, at]) => {
		const words = proofWords({ verified, drilled });
		expect([words.text, words.at ?? null]).toEqual([text, at]);
		const tone = text === 'Not proven' ? null : text === 'Damaged' ? 'bad' : 'good';
		expect(words.tone).toBe(tone);
	});
});

test.for([
	['Drilled', 'good', 'drill', {}],
	['Drill failed', 'bad', 'drill', DAMAGED],
	['Verified', 'good', 'verify', {}],
	['Verified as stored', 'good', 'verify', { scope: 'stored' }],
	['Verification failed', 'bad', 'verify', DAMAGED],
] as const)('one proof: %s', ([text, tone, kind, rest]) => {
	const row = { ...MON, ...rest, kind, by: 'worker', durationMs: 1, differences: [] };
	expect(proofRowWords(row)).toEqual({ text, tone, at: MON.at });
});

test.for([
	['No rule keeps it. It may be removed from', {}],
	['Removal was requested. It may be removed from', { by: 'request' }],
	['No rule keeps it, but a lock rule of the bucket does. Marked', { locked: true }],
	['No rule keeps it. Its removal has begun, marked', { locked: true, removing: true }],
] as const)('a mark: %s', ([text, rest]) => {
	const mark = {
		at: MON.at,
		removableAt: TUE.at,
		by: 'rule',
		locked: false,
		removing: false,
	} as const;
	expect(markWords({ ...mark, ...rest })).toBe(text);
});
