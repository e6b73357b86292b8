import { beforeEach, describe, expect, test } from 'vitest';
import { reset } from '../../../../tests/reset.ts';
import { backUp, engine } from '../../../../tests/backups.ts';
import { operationsOn } from '../../../../tests/operations.ts';
import { recordProof } from '../backup/prove/prove.ts';
import { undueBackup } from './due.ts';

const HOUR = 3_600_000;
const NOW = Date.UTC(2026, 10, 25);

beforeEach(reset);

const due = async (now: number) =>
	(await undueBackup(operationsOn(() => now, { maxAgeMs: 48 * HOUR }))) === null;

async function prove(name: string, kind: 'verify' | 'drill', proven: boolean, at: number) {
	const time = new Date(at).toISOString();
	await recordProof(engine({ now: () => at }), `${name}.manifest.json`, {
		...{ kind, by: 'a test', startedAt: time, finishedAt: time, proven, scope: 'contents' },
		...{ tables: 0, rows: 0, bytes: 1, differences: proven ? [] : ['x'] },
	});
}

describe('a backup is due', () => {
	test('when there is no backup, and when the newest is older than half the maximum age', async () => {
		expect(await due(NOW)).toBe(true);
		await backUp({ now: () => NOW });
		expect(await due(NOW + 23 * HOUR)).toBe(false);
		expect(await due(NOW + 24 * HOUR)).toBe(true);
	});

	test.for(['verify', 'drill'] as const)(
		'when a %s found the newest backup damaged',
		async (kind) => {
			const name = await backUp({ now: () => NOW });
			await prove(name, kind, true, NOW + 1);
			expect(await due(NOW + HOUR)).toBe(false);
			await prove(name, kind, false, NOW + 2);
			expect(await due(NOW + HOUR)).toBe(true);
		},
	);
});
