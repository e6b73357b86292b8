import { describe, expect, test } from 'vitest';
import type { LastProof, ListedBackup } from '../format/manifest.ts';
import { withProblems } from './chains.ts';

const FULL = 'full_backup_2026-11-22T00:00:00.000Z';
const CHILD = 'incremental_backup_2026-11-23T00:00:00.000Z';

/** A proof made on a day of that month. */
const on = (day: number, proven = true): LastProof => ({
	...{ at: `2026-11-${day}T12:00:00.000Z`, proven, scope: 'contents' },
});

type Proofs = Partial<Pick<ListedBackup, 'verified' | 'drilled'>>;

function listed(name: string, parent: string | null, proofs: Proofs): ListedBackup {
	return {
		...{ name, kind: parent ? 'incremental' : 'full', parent, consistency: 'atomic' },
		...{ startedAt: name.slice(-24), finishedAt: name.slice(-24), warnings: 0 },
		...{ tables: 1, rows: 1, sqlBytes: 1, bytes: 1, files: [], signed: true },
		...{ verified: null, drilled: null },
		...proofs,
	};
}

/** The differential as it is listed beside its parent. */
function child(own: Proofs, ofParent: Proofs): ListedBackup | undefined {
	const [found] = withProblems([listed(CHILD, FULL, own), listed(FULL, null, ofParent)]);
	return found;
}

const DAMAGED = `The full backup ${FULL}, on which it rests, was found to be damaged.`;

describe('the proofs of a differential', () => {
	test('do not count without its parent, and the list says so', () => {
		for (const others of [[], [listed(FULL, 'another', {})]]) {
			const [found] = withProblems([listed(CHILD, FULL, { drilled: on(24) }), ...others]);
			expect(found).toMatchObject({
				...{ verified: null, drilled: { ...on(24), proven: false } },
				problem: `The full backup ${FULL}, on which it rests, is missing.`,
			});
		}
	});

	test.for([
		['a newer bad drill', { drilled: on(24) }, { drilled: on(25, false) }],
		['a newer bad verification', { verified: on(24) }, { verified: on(25, false) }],
		[
			'a bad drill, after which only files were read',
			{ verified: on(26) },
			{ drilled: on(25, false) },
		],
		[
			'a bad drill, then a verification',
			{ verified: on(27) },
			{ drilled: on(25, false), verified: on(26) },
		],
		['a bad verification', {}, { verified: on(23, false) }],
	] as const)('do not count after %s of the parent', ([, own, ofParent]) => {
		const found = child(own, ofParent);
		expect(found?.problem).toBe(DAMAGED);
		expect([found?.verified?.proven, found?.drilled?.proven]).not.toContain(true);
	});

	test.for([
		['no proof of the parent', { drilled: on(24) }, {}],
		['an older bad one', { drilled: on(26) }, { drilled: on(25, false), verified: on(25, false) }],
		[
			'a bad verification, answered by a drill of it',
			{},
			{ verified: on(25, false), drilled: on(26) },
		],
		[
			'a bad verification, answered by another of its own',
			{ verified: on(26) },
			{ verified: on(25, false) },
		],
	] as const)('count with %s', ([, own, ofParent]) => {
		expect(child(own, ofParent)).toEqual(listed(CHILD, FULL, own));
	});

	test('stay as they are if the list would not contain the parent', () => {
		const all = [listed(CHILD, FULL, { drilled: on(24) })];
		expect(withProblems(all, (name) => name !== FULL)).toEqual(all);
		expect(withProblems(all, (name) => name === FULL)).not.toEqual(all);
	});

	test('do not change those of full backups', () => {
		const full = listed(FULL, null, { drilled: on(25, false) });
		expect(withProblems([full])).toEqual([full]);
	});
});
