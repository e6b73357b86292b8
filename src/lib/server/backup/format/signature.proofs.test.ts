import { expect, test } from 'vitest';
import { alterations, type Json } from '../../../../../tests/alterations.ts';
import { type Proof, printProof, summarizeProof } from './proof.ts';
import {
	deriveKey,
	openProof,
	openProofSummary,
	printProofSummary,
	signProof,
} from './signature.ts';

const key = deriveKey(Uint8Array.from({ length: 20 }, (_, index) => index));
const other = deriveKey(new Uint8Array(20));

const NAME = 'full_backup_2026-11-22T21:52:00.000Z';
const found: Proof = {
	...{ format: 1, backup: NAME, kind: 'drill', by: 'größe "x"' },
	...{ startedAt: '2026-11-22T22:00:00.000Z', finishedAt: '2026-11-22T22:00:01.500Z' },
	...{ proven: false, scope: 'contents', tables: 3, rows: 8, bytes: 1000 },
	...{ differences: ['d'], warnings: ['w'], engine: { version: '0.1.0' } },
};
const proof = signProof(found, key);
const summary = summarizeProof(proof);
const printed = printProofSummary(NAME, summary, key);

test('a proof has the MAC that docs/bucket.md describes', () => {
	// Computed with Python's hashlib.
	expect(proof.mac).toBe('b5a60419e6e7ed280debf26e7c20cf99d9b96c7b12cedafe69c303b3020469a8');
	expect(JSON.parse(printed)).toEqual({
		...summary,
		mac: '5ff6d375ddeb8a3d97be63f1047a635edbcb1f1800163eee78ccd34212ec817b',
	});
});

test('a proof is read with the key that signed it, or without any key', () => {
	for (const keys of [[key], [other, key], []]) {
		expect(openProof(printProof(proof), keys)).toEqual(proof);
		expect(openProofSummary(NAME, printed, keys)).toEqual(summary);
	}
});

test('a proof that is unsigned, forged or altered does not count', () => {
	let tried = 0;
	for (const altered of [found, signProof(found, other), ...alterations(proof as Json)]) {
		expect(openProof(JSON.stringify(altered), [key]), JSON.stringify(altered)).toBeNull();
		tried++;
	}
	for (const altered of [summary, ...alterations(JSON.parse(printed) as Json)]) {
		const text = JSON.stringify(altered);
		expect(openProofSummary(NAME, text, [key]), text).toBeNull();
		tried++;
	}
	expect(tried).toBeGreaterThan(50);
});

test('a proof counts for its own backup, and as what it is', () => {
	expect(openProofSummary(NAME.replace('2026', '2027'), printed, [key])).toBeNull();
	const swapped = JSON.stringify({ ...summary, mac: proof.mac });
	expect(openProofSummary(NAME, swapped, [key])).toBeNull();
});

test('a proof of a key with an end counts if it was finished before that', () => {
	const until = Date.parse(found.finishedAt);
	const late = [{ ...key, until }];
	const inTime = [{ ...key, until: until + 1 }];
	expect(openProof(printProof(proof), late)).toBeNull();
	expect(openProofSummary(NAME, printed, late)).toBeNull();
	expect(openProof(printProof(proof), inTime)).toEqual(proof);
	expect(openProofSummary(NAME, printed, inTime)).toEqual(summary);
});
