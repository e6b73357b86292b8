import type { Budget } from '../engine.ts';
import { MAX_QUERIES } from '../limits.ts';

/**
 * What one call may use on Cloudflare's plans. The difference to the limit is for a few more queries of
 * a long row, and for the calls of R2 besides the dump, up to 15: a batch of queries is one subrequest.
 * On the paid plan, compression and encryption use most of the 30 seconds of CPU time.
 */
export const BUDGETS = {
	free: {
		queries: MAX_QUERIES.free - 8,
		stage: MAX_QUERIES.free - 8,
		milliseconds: 20_000,
		bytes: 16_000_000,
	},
	paid: {
		queries: MAX_QUERIES.paid - 100,
		stage: MAX_QUERIES.paid - 100,
		milliseconds: 60_000,
		bytes: 400_000_000,
	},
} satisfies Record<string, Budget>;

/** No limit: the whole backup in one call. */
export const UNLIMITED: Budget = {
	queries: Number.POSITIVE_INFINITY,
	stage: Number.POSITIVE_INFINITY,
	milliseconds: Number.POSITIVE_INFINITY,
	bytes: Number.POSITIVE_INFINITY,
};
