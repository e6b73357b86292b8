import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { counted, LONG, SEED } from '../counts.ts';
import { loadCode } from './engine.ts';
import { FAULTS, plant } from './faults.ts';
import { histories, live } from './history.ts';

const ENGINE = fileURLToPath(new URL('../../src/lib/server/backup', import.meta.url));
/** A history takes a fifth of a second, so a short run tries fewer than an eighth of them. */
const RUNS = counted(LONG ? 5_000 : 240);
/** About ten times the number of histories that it took to find the rarest fault. */
const RUNS_WITH_FAULT = 2_000;

vi.spyOn(console, 'error').mockReturnValue();

describe('backups in steps', () => {
	test('stay sound whatever happens', { timeout: 10_000 + RUNS * 1_000 }, async () => {
		const code = await loadCode(ENGINE);
		await fc.assert(
			fc.asyncProperty(histories, (history) => live(code, history)),
			{ numRuns: RUNS, seed: SEED },
		);
	});
});

// Without this, only a long run would notice that the text a fault replaces has changed.
test.for(FAULTS)('the fault "$title" can be planted', (fault) => {
	expect(plant(fault)).toBeTruthy();
});

describe.runIf(LONG)('a fixed fault is found again', () => {
	test.for(FAULTS)('$title', { timeout: RUNS_WITH_FAULT * 1_000 }, async (fault) => {
		const code = await loadCode(plant(fault));
		const found = await fc.check(
			fc.asyncProperty(histories, (history) => live(code, history)),
			{ numRuns: RUNS_WITH_FAULT, seed: SEED, endOnFailure: true },
		);
		console.log(
			`${fault.title}: found in history ${found.numRuns}, ${String(found.errorInstance)}`,
		);
		expect(String(found.errorInstance)).toMatch(fault.violation);
	});
});
