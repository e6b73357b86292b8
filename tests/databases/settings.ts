import { env } from 'cloudflare:workers';
import fc from 'fast-check';

declare global {
	// eslint-disable-next-line @typescript-eslint/no-namespace -- the only way to add bindings
	namespace Cloudflare {
		interface Env {
			/** How many databases each property tries. */
			LIFEBOAT_RUNS: string;
			/** `1` for as many as before a release. */
			LIFEBOAT_LONG: string;
			/** What decides which; a failure prints its own. */
			LIFEBOAT_SEED: string;
		}
	}
}

const perRun = 4_000;
const forShrinking = 30_000;

/**
 * How to check a property of databases: parameters for fast-check and, for the test around it, a
 * timeout that leaves fast-check the time to say which seed failed. With `LIFEBOAT_LONG=1` in the
 * environment there are `longRuns`; `LIFEBOAT_RUNS` and `LIFEBOAT_SEED` come before the number of
 * runs given here and a random seed.
 */
export function settings(
	defaultRuns: number,
	longRuns = defaultRuns,
): {
	check: fc.Parameters<unknown>;
	test: { timeout: number };
} {
	const runs = env.LIFEBOAT_LONG === '1' ? longRuns : defaultRuns;
	const numRuns = Number(env.LIFEBOAT_RUNS || runs);
	const limit = forShrinking + numRuns * perRun;
	const plugins = [fc.interruptAfterTimeLimit(limit, { failOnInterrupt: true })];
	const seed = env.LIFEBOAT_SEED ? { seed: Number(env.LIFEBOAT_SEED) } : {};
	return { check: { numRuns, plugins, ...seed }, test: { timeout: limit + 30_000 } };
}
