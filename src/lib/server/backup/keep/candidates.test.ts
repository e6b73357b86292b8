import { describe, expect, test } from 'vitest';
import type { LastProof, ListedBackup } from '../format/manifest.ts';
import { candidatesOf } from './candidates.ts';

const NAME = 'full_backup_2026-11-22T03:00:00.000Z';

function listed(proofs: Partial<Pick<ListedBackup, 'verified' | 'drilled'>> = {}): ListedBackup {
	return {
		name: NAME,
		kind: 'full',
		parent: null,
		startedAt: '2026-11-22T03:00:00.000Z',
		finishedAt: '2026-11-22T03:00:01.000Z',
		consistency: 'atomic',
		...{ tables: 1, rows: 1, sqlBytes: 1, bytes: 1, warnings: 0, files: [`${NAME}.sql`] },
		...{ signed: true, verified: null, drilled: null, ...proofs },
	};
}

function proof(hour: number, changes: Partial<LastProof> = {}): LastProof {
	const at = new Date(at0 + hour * 3_600_000).toISOString();
	return { at, proven: true, scope: 'contents', ...changes };
}
const at0 = Date.parse('2026-11-22T00:00:00.000Z');

const nobody = { isTrusted: () => false, isPinned: () => false, isRequested: () => false };

test('a listed backup becomes a candidate', () => {
	expect(candidatesOf([listed()], nobody)).toEqual([
		{
			name: NAME,
			kind: 'full',
			startedAt: at0 + 3 * 3_600_000,
			parent: null,
			trusted: false,
			drilledAt: null,
			provenAt: null,
			damaged: false,
			pinned: false,
			requested: false,
		},
	]);
});

test.for([
	['isTrusted', 'trusted'],
	['isPinned', 'pinned'],
	['isRequested', 'requested'],
] as const)('%s asks by the name', ([question, field]) => {
	const [first] = candidatesOf([listed()], {
		...nobody,
		[question]: (name: string) => name === NAME,
	});
	const others = { trusted: false, pinned: false, requested: false };
	expect(first).toMatchObject({ ...others, [field]: true });
});

describe('its proofs', () => {
	const at = (hour: number) => at0 + hour * 3_600_000;

	test.for([
		['a verification', { verified: proof(5) }, { drilledAt: null, provenAt: at(5) }],
		['a drill', { drilled: proof(6) }, { drilledAt: at(6), provenAt: at(6) }],
		[
			'the later of both',
			{ verified: proof(7), drilled: proof(6) },
			{ drilledAt: at(6), provenAt: at(7) },
		],
		[
			'a verification of stored bytes, which says nothing about the contents',
			{ verified: proof(5, { scope: 'stored' }) },
			{ drilledAt: null, provenAt: null },
		],
		[
			'such a verification after a drill',
			{ verified: proof(7, { scope: 'stored' }), drilled: proof(6) },
			{ drilledAt: at(6), provenAt: at(6) },
		],
	] as const)('count: %s', ([, proofs, expected]) => {
		expect(candidatesOf([listed(proofs)], nobody)).toMatchObject([{ ...expected, damaged: false }]);
	});

	test.for([
		{ verified: proof(5, { proven: false }) },
		{ drilled: proof(5, { proven: false }) },
		{ verified: proof(5, { proven: false }), drilled: proof(6) },
		{ verified: proof(5, { proven: false, scope: 'stored' }), drilled: proof(4) },
	] as const)('do not count while the last of a kind found a difference: %o', (proofs) => {
		expect(candidatesOf([listed(proofs)], nobody)).toMatchObject([
			{ drilledAt: null, provenAt: null, damaged: true },
		]);
	});
});
