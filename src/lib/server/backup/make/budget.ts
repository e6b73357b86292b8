import { ATOMIC_BYTES } from '../dump/start.ts';
import type { Budget } from '../engine.ts';
import { FREE_ROWS_READ_PER_DAY, MAX_QUERIES, MAX_SUBREQUESTS } from '../limits.ts';

const MINUTE_MS = 60_000;

/**
 * What one call may use on Cloudflare's plans. The difference to the limit is for a few more queries of
 * a long row; of the calls, for up to 16 of R2 besides the dump, two pings, two alerts, and a few retries.
 * On the paid plan, compression and encryption use most of the 30 seconds of CPU time.
 *
 * On the free plan no step stays within the 10 ms of CPU time. What Cloudflare enforces is how often a
 * Worker exceeds them, so steps are few, long, and at most five an hour: docs/limits.md, "The free
 * plan", has the reports behind these numbers. A backup leaves a fifth of the day's rows to the app.
 */
export const BUDGETS = {
	free: {
		queries: MAX_QUERIES.free - 8,
		calls: MAX_SUBREQUESTS.free - 22,
		stage: MAX_QUERIES.free - 8,
		milliseconds: 20_000,
		atomicBytes: ATOMIC_BYTES,
		bytes: 18_000_000,
		rowsRead: 0.8 * FREE_ROWS_READ_PER_DAY,
		pause: 12 * MINUTE_MS,
	},
	paid: {
		queries: MAX_QUERIES.paid - 100,
		calls: MAX_SUBREQUESTS.paid - 100,
		stage: MAX_QUERIES.paid - 100,
		milliseconds: 60_000,
		atomicBytes: ATOMIC_BYTES,
		bytes: 400_000_000,
		rowsRead: Number.POSITIVE_INFINITY,
		pause: 0,
	},
} satisfies Record<string, Budget>;

/** No limit: the whole backup in one call. */
export const UNLIMITED: Budget = {
	queries: Number.POSITIVE_INFINITY,
	calls: Number.POSITIVE_INFINITY,
	stage: Number.POSITIVE_INFINITY,
	milliseconds: Number.POSITIVE_INFINITY,
	atomicBytes: ATOMIC_BYTES,
	bytes: Number.POSITIVE_INFINITY,
	rowsRead: Number.POSITIVE_INFINITY,
	pause: 0,
};
