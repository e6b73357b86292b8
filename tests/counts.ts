// How many cases the random tests try. Both test projects read the same variables: inside workerd,
// process.env holds the bindings that vitest.config.ts passes on.

const { LIFEBOAT_RUNS, LIFEBOAT_LONG, LIFEBOAT_SEED } = process.env;

/** Whether this run tries everything at full length. */
export const LONG = LIFEBOAT_LONG === '1';

/** The seed of this run: LIFEBOAT_SEED, or a new one. Every failing random test prints it. */
export const SEED = Number(LIFEBOAT_SEED || Date.now() % 2 ** 31);

/**
 * The number of cases to try out of `full`: an eighth, rounded up; all with LIFEBOAT_LONG=1; exactly
 * LIFEBOAT_RUNS when that is set.
 */
export function counted(full: number): number {
	if (LIFEBOAT_RUNS) return Number(LIFEBOAT_RUNS);
	return LONG ? full : Math.ceil(full / 8);
}

/**
 * Whether to try the case with this number: all are tried with LIFEBOAT_LONG=1, otherwise one of `each`, and
 * the seed decides which.
 */
export function isTurn(number: number, each = 2): boolean {
	return LONG || (number + SEED) % each === 0;
}
