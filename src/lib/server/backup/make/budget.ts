import type { Budget } from '../engine.ts';

/**
 * What fits Cloudflare's plans (D1 > Platform > Limits; Workers > Platform > Limits). The free one has
 * 50 queries, and 50 subrequests with those of R2, of which a step makes up to 15, and a batch is one of them. The paid one has
 * 1,000 queries and 30 seconds of processor time, of which compressing and encrypting take the most.
 * A long row may use a few queries more.
 */
export const BUDGETS = {
	free: { queries: 42, milliseconds: 20_000, bytes: 16_000_000 },
	paid: { queries: 900, milliseconds: 60_000, bytes: 400_000_000 },
} satisfies Record<string, Budget>;

/** No limit at all. */
export const UNLIMITED: Budget = {
	queries: Number.POSITIVE_INFINITY,
	milliseconds: Number.POSITIVE_INFINITY,
	bytes: Number.POSITIVE_INFINITY,
};
