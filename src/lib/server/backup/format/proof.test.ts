import * as v from 'valibot';
import { describe, expect, test } from 'vitest';
import { ENGINE_VERSION } from './manifest.ts';
import { backupOfFile } from './names.ts';
import {
	BackupDiffers,
	type OutsideProof,
	OutsideProofSchema,
	parseProof,
	parseProofSummary,
	printProof,
	proofKey,
	shorten,
	summarizeProof,
	toProof,
} from './proof.ts';

const NAME = 'full_backup_2026-11-22T21:52:00.000Z';
const BACKUP = { name: NAME, warnings: ['The table "a" is contentless.'] };
const good: OutsideProof = {
	kind: 'drill',
	by: 'GitHub Actions',
	startedAt: '2026-11-22T22:00:00.000Z',
	finishedAt: '2026-11-22T22:00:01.500Z',
	proven: true,
	scope: 'contents',
	tables: 3,
	rows: 9_007_199_254_740_991,
	bytes: 1000,
	differences: [],
};
const bad: OutsideProof = { ...good, proven: false, differences: ['The table "a" is missing.'] };

test('a proof’s name is one of the backup’s files', () => {
	const key = proofKey(NAME, good.finishedAt);
	expect(key).toBe(`${NAME}.proof-2026-11-22T22:00:01.500Z.json`);
	expect(backupOfFile(key)).toBe(NAME);
});

test.for([good, bad])('a printed proof is parsed back', (found) => {
	const proof = toProof(BACKUP, found);
	expect(proof).toEqual({
		format: 1,
		backup: NAME,
		...found,
		warnings: BACKUP.warnings,
		engine: { version: ENGINE_VERSION },
	});
	expect(parseProof(printProof(proof))).toEqual(proof);
	expect(summarizeProof(proof)).toEqual({
		kind: 'drill',
		at: found.finishedAt,
		proven: found.proven,
		scope: 'contents',
	});
});

test('a proof without a scope, from an older version, covers the contents', () => {
	const older = { ...toProof(BACKUP, good), scope: undefined };
	expect(parseProof(JSON.stringify(older))).toEqual(toProof(BACKUP, good));
	const summary = { kind: 'drill', at: good.finishedAt, proven: true };
	expect(parseProofSummary(JSON.stringify(summary))).toEqual({ ...summary, scope: 'contents' });
});

test('a proof from a newer version may have more fields', () => {
	const proof = toProof(BACKUP, good);
	expect(parseProof(JSON.stringify({ ...proof, more: 1 }))).toEqual(proof);
});

test.for([
	undefined,
	'',
	'{',
	'{}',
	'null',
	JSON.stringify({ ...toProof(BACKUP, good), format: 2 }),
	JSON.stringify({ ...toProof(BACKUP, good), finishedAt: 'yesterday' }),
])('%s is not a proof', (text) => {
	expect(parseProof(text)).toBeNull();
});

test.for([undefined, '', '{', '{}', '{"kind":"drill","at":"now","proven":true}'])(
	'"%s" is not a summary',
	(text) => {
		expect(parseProofSummary(text)).toBeNull();
	},
);

describe('a proof from outside', () => {
	const isAccepted = (proof: unknown) => v.safeParse(OutsideProofSchema, proof).success;

	test.for([
		['good', {}],
		['of a verification', { kind: 'verify' }],
		['finished in the millisecond it started', { startedAt: good.finishedAt }],
		['with everything at its limit', { ...bad, differences: Array(20).fill('ü'.repeat(300)) }],
		['with the longest name', { by: 'x'.repeat(100) }],
		['of nothing', { tables: 0, rows: 0, bytes: 0 }],
		['of the stored bytes', { kind: 'verify', scope: 'stored' }],
		['from an older version', { scope: undefined }],
	] as const)('%s is accepted', ([, changes]) => {
		expect(isAccepted({ ...good, ...changes })).toBe(true);
	});

	test.for([
		['of another kind', { kind: 'restore' }],
		['of nobody', { by: '' }],
		['with too long a name', { by: 'x'.repeat(101) }],
		['in the name of the app', { by: 'worker' }],
		['that ended before it started', { finishedAt: '2026-11-22T21:59:59.999Z' }],
		['with only a date', { finishedAt: '2026-11-22' }],
		['in another time zone', { finishedAt: '2026-11-22T23:00:01.500+01:00' }],
		['without milliseconds', { finishedAt: '2026-11-22T22:00:01Z' }],
		['on a date that does not exist', { finishedAt: '2027-02-31T22:00:01.500Z' }],
		['in a year that sorts wrongly', { finishedAt: '+012026-11-22T22:00:01.500Z' }],
		['with an invalid time', { startedAt: 1 }],
		['with half a row', { rows: 0.5 }],
		['with a negative number of rows', { rows: -1 }],
		['with more rows than a safe integer', { rows: 2 ** 53 }],
		['with text for a number', { bytes: '1000' }],
		['of a drill without the contents', { scope: 'stored' }],
		['of another scope', { kind: 'verify', scope: 'all' }],
		['with text for a boolean', { proven: 'yes' }],
		['that is proven and differs', { differences: bad.differences }],
		['with too many differences', { ...bad, differences: Array(21).fill('x') }],
		['with too long a difference', { ...bad, differences: ['x'.repeat(301)] }],
		['with a difference that is not text', { ...bad, differences: [1] }],
		['with an unknown field', { backup: NAME }],
		['with a field missing', { tables: undefined }],
	] as const)('%s is refused', ([, changes]) => {
		expect(isAccepted({ ...good, ...changes })).toBe(false);
	});
});

describe('differences', () => {
	test('are kept if there is room', () => {
		const twenty = Array.from({ length: 20 }, (_, number) => `${number}: ${'x'.repeat(290)}`);
		expect(shorten(twenty)).toEqual(twenty);
	});

	test('are counted if there are too many, and cut if they are too long', () => {
		const many = Array.from({ length: 25 }, (_, number) => `${number}: ${'x'.repeat(400)}`);
		const few = shorten(many);
		expect(few).toHaveLength(20);
		expect(few[18]).toBe(`18: ${'x'.repeat(295)}…`);
		expect(few[19]).toBe('And 6 more.');
		expect(v.is(OutsideProofSchema, { ...bad, differences: few })).toBe(true);
	});
});

test('the error about a backup that differs shows the proof', () => {
	const proof = toProof(BACKUP, bad);
	const error = new BackupDiffers(proof);
	expect(error.status).toBe(422);
	expect(JSON.parse(JSON.stringify(error))).toEqual({
		error: expect.any(String),
		code: 'backup_differs',
		hint: expect.any(String),
		proof,
	});
});
