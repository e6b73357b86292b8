import { env } from 'cloudflare:workers';
import fc from 'fast-check';

declare global {
	// eslint-disable-next-line @typescript-eslint/no-namespace -- the only way to add bindings
	namespace Cloudflare {
		interface Env {
			/** How many databases each property tries. */
			LIFEBOAT_RUNS: string;
			/** What decides which; a failure prints its own. */
			LIFEBOAT_SEED: string;
		}
	}
}

const perRun = 4_000;
const forShrinking = 30_000;

/**
 * How to check a property of databases: parameters for fast-check and, for the test around it, a
 * timeout that leaves fast-check the time to say which seed failed. `LIFEBOAT_RUNS` and
 * `LIFEBOAT_SEED` in the environment come before the number of runs given here and a random seed.
 */
export function settings(defaultRuns: number): {
	check: fc.Parameters<unknown>;
	test: { timeout: number };
} {
	const numRuns = Number(env.LIFEBOAT_RUNS || defaultRuns);
	const limit = forShrinking + numRuns * perRun;
	const plugins = [fc.interruptAfterTimeLimit(limit, { failOnInterrupt: true })];
	const seed = env.LIFEBOAT_SEED ? { seed: Number(env.LIFEBOAT_SEED) } : {};
	return { check: { numRuns, plugins, ...seed }, test: { timeout: limit + 30_000 } };
}
