/*
 * The limits of Cloudflare's platform, each with its source, and what the engine derives from them.
 * Sizes that it chooses freely are in the files that use them.
 */

/*
 * D1: developers.cloudflare.com/d1/platform/limits/, unless another source is named.
 */

/** Bytes of one SQL statement. */
export const MAX_STATEMENT_BYTES = 100_000;
/** Bytes of a statement that a backup contains: a tenth less than the limit, as a margin. */
export const MAX_WRITTEN_STATEMENT_BYTES = 90_000;
/**
 * Bytes of a statement that a restore can read. It may be longer than D1 allows: `sqlite3 .dump`
 * writes a blob of 30 MB as one literal. It is held in memory, of which a Worker has 128 MB.
 */
export const MAX_READ_STATEMENT_BYTES = 64 * 1024 * 1024;
/**
 * Rows times columns of one INSERT with literals. SQLite in D1 stops at 25,000 opcodes (workerd,
 * util/sqlite.c++, SQLITE_LIMIT_VDBE_OP); each value and each row takes one, and a value that is
 * not a plain literal a few more.
 */
export const MAX_STATEMENT_VALUES = 10_000;
/** Columns of a table, and values of each row of an INSERT with several rows. */
export const MAX_COLUMNS = 100;
/** Arguments of an SQL function. */
export const MAX_FUNCTION_ARGUMENTS = 32;
/** Bytes of a string, a blob or a row, and so of a page that SQLite returns as one string. */
export const MAX_VALUE_BYTES = 2_000_000;
/** Seconds after which D1 ends a query. */
export const MAX_QUERY_SECONDS = 30;

/*
 * R2: developers.cloudflare.com/r2/platform/limits/
 */

/** Bytes of an object's metadata, its names included. */
export const MAX_METADATA_BYTES = 8_192;
/** Keys that one call deletes (R2 > Workers API reference). */
export const MAX_KEYS_PER_DELETE = 1000;
/** Bytes: the smallest part of a multipart upload but the last one (R2 > Multipart objects). */
export const MIN_PART_BYTES = 5 * 1024 * 1024;
/** Milliseconds between two writes of one key, with some to spare (R2 > Error codes, 10058). */
export const KEY_WRITE_INTERVAL_MS = 1_100;

/*
 * Workers: developers.cloudflare.com/workers/platform/limits/
 */

/** Queries of D1 in one invocation, by plan (D1 > Platform > Limits). */
export const MAX_QUERIES = { free: 50, paid: 1000 };

/** Calls of D1, R2 and other servers together in one invocation, by plan (Subrequests). */
export const MAX_SUBREQUESTS = { free: 50, paid: 10_000 };

/** Rows that D1 reads for a free account in one day (D1 > Platform > Pricing). */
export const FREE_ROWS_READ_PER_DAY = 5_000_000;
