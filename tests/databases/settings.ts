import fc from 'fast-check';
import { counted, SEED } from '../counts.ts';

const PER_RUN_MS = 12_000;
const FOR_SHRINKING_MS = 30_000;
/** The time to report a failure before the test itself times out. */
const FOR_REPORT_MS = 30_000;

/**
 * Settings for a property with `full` runs at full length: parameters for fast-check and a timeout for
 * the test that leaves fast-check time to print the seed.
 */
export function settings(full: number): {
	check: fc.Parameters<unknown>;
	test: { timeout: number };
} {
	const numRuns = counted(full);
	const limit = FOR_SHRINKING_MS + numRuns * PER_RUN_MS;
	const plugins = [fc.interruptAfterTimeLimit(limit, { failOnInterrupt: true }), shrinkInTime];
	return {
		check: { numRuns, plugins, seed: SEED },
		test: { timeout: limit + FOR_REPORT_MS },
	};
}

/** Ends the search for a smaller case in time: those that are tried later pass. */
const shrinkInTime: fc.Plugin<unknown> = () => {
	let failedAt = Number.POSITIVE_INFINITY;
	const note = <R extends object | null>(result: R): R => {
		if (result !== null && 'error' in result) failedAt = Math.min(failedAt, Date.now());
		return result;
	};
	return {
		decorateRun: (run) => (value) => {
			if (Date.now() > failedAt + FOR_SHRINKING_MS) return null;
			const result = run(value);
			return result instanceof Promise ? result.then(note) : note(result);
		},
	};
};
