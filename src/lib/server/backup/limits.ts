// Limits of the platform, each with its source. What a limit is used for stands where it is used.

// R2

/** Keys that one call deletes (R2 > Workers API reference). */
export const MAX_KEYS_PER_DELETE = 1000;

/** Bytes: the smallest part of a multipart upload but the last one (R2 > Multipart objects). */
export const MIN_PART_BYTES = 5 * 1024 * 1024;

/** Milliseconds between two writes of one key, and some to spare (R2 > Error codes, 10058). */
export const KEY_WRITE_INTERVAL_MS = 1_100;

// Workers

/**
 * Queries of D1 in one invocation, by plan (D1 > Platform > Limits). On the free plan this is also the
 * limit of calls of D1 and R2 together (Workers > Platform > Limits > Subrequests).
 */
export const MAX_QUERIES = { free: 50, paid: 1000 };
