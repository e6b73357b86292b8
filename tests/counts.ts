// How often tests repeat what they try at random. Both test projects read the same variables:
// inside workerd, process.env holds the bindings that vitest.config.ts passes on.

const { LIFEBOAT_RUNS, LIFEBOAT_LONG, LIFEBOAT_SEED } = process.env;

/** The seed of this run: LIFEBOAT_SEED, or a new one. Every failure of a random test prints it. */
export const SEED = Number(LIFEBOAT_SEED || Date.now() % 2 ** 31);

/**
 * How often to repeat something whose full number is `full`: an eighth of it, rounded up; all of it
 * with LIFEBOAT_LONG=1; and exactly LIFEBOAT_RUNS where that is set.
 */
export function counted(full: number): number {
	if (LIFEBOAT_RUNS) return Number(LIFEBOAT_RUNS);
	return LIFEBOAT_LONG === '1' ? full : Math.ceil(full / 8);
}
