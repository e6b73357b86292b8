import { LifeboatError, messageOf, toLifeboatError } from '../errors.ts';
import type { D1Database, D1Result } from '../platform.ts';
import { retry, type Sleep } from '../retry.ts';

/** A row of an answer. Queries ask for text and small numbers, never for a value as stored. */
export type Row = Record<string, string | number | null>;

export type StatementResult = D1Result<Row>;

export interface BatchResult {
	results: StatementResult[];
	/** The Time Travel bookmark after the batch; null if the database has none. */
	bookmark: string | null;
}

/** Anything that runs SQL. Each batch is one transaction: all or nothing. */
export interface SqlDatabase {
	batch(statements: string[]): Promise<BatchResult>;
}

/**
 * A D1 binding as an {@link SqlDatabase}. Each batch has a session of its own, whose first query
 * goes to the primary (D1 > Worker API > withSession).
 */
export function d1(binding: D1Database): SqlDatabase {
	return {
		async batch(statements) {
			const session = binding.withSession('first-primary');
			const prepared = statements.map((statement) => session.prepare(statement));
			const results = await session.batch<Row>(prepared);
			return { results, bookmark: session.getBookmark() };
		},
	};
}

/**
 * The database without what tells a reader that somebody wrote to it: its number of changes, its
 * bookmark and its size.
 */
export function unfenced(database: SqlDatabase): SqlDatabase {
	return {
		async batch(statements): Promise<BatchResult> {
			const { results } = await database.batch(statements);
			return {
				bookmark: null,
				results: results.map(({ results: rows, meta: { rows_read = 0 } }) => ({
					results: rows.map((row) => ({ ...row, changes: null })),
					meta: { rows_read },
				})),
			};
		},
	};
}

/** Tries of one call, including the first (D1 > Best practices > Retry queries: five attempts). */
const MAX_TRIES = 5;
/** Longest pause between two tries, in milliseconds (same page: full jitter, capped). */
const LONGEST_PAUSE_MS = 2_000;

/** D1 > Debug D1 > Error list: errors whose action is to retry, or to wait for a shorter queue. */
const TRANSIENT = [
	'reset because its code was updated',
	'starting up D1 DB storage caused object to be reset',
	'D1 DB storage caused object to be reset',
	'Internal error in D1 DB storage caused object to be reset',
	'Internal error while starting up D1 DB storage caused object to be reset',
	'Network connection lost',
	'Cannot resolve D1 DB due to transient issue on remote node',
	"Can't read from request stream because client disconnected",
	'D1 DB is overloaded',
	'Currently processing a long-running export',
];

/** SQLite's error for a single value. */
export const TOO_LONG_VALUE = 'string or blob too big';
/** Same list: errors that a smaller query may avoid. The first two are SQLite's own. */
const TOO_MUCH = [
	TOO_LONG_VALUE,
	'out of memory',
	'exceeded timeout which caused object to be reset',
	'exceeded its memory limit and was reset',
	'exceeded its CPU time limit and was reset',
];

/** Whether a value would be longer than one may be. */
export function isTooLongValue(error: unknown): boolean {
	return messageOf(error).includes(TOO_LONG_VALUE);
}

/** Whether a smaller query may succeed. */
export function isTooMuch(error: unknown): boolean {
	const message = messageOf(error);
	return TOO_MUCH.some((text) => message.includes(text));
}

/**
 * Whether the call may have ended the database's object, and with it everything in its memory, such as
 * the counter of changes. After a value that is too long, or a statement that SQLite refused to
 * prepare, the object certainly lives on.
 */
export function mayHaveReset(error: unknown): boolean {
	return !/string or blob too big|: SQLITE_ERROR/.test(messageOf(error));
}

/** SQLite's own message, which names tables and columns but contains no values. */
export function reasonOf(error: unknown): string {
	return messageOf(error)
		.replace(/^D1_ERROR: /, '')
		.replace(/: SQLITE_\w+.*$/s, '')
		.replace(/ at offset \d+$/, '');
}

/**
 * Retries a call of the database after a transient error. Throws any other error as it is, and
 * `database_unavailable` (503) if every try failed.
 */
export function retrying<T>(call: () => Promise<T>, sleep: Sleep): Promise<T> {
	return retry(call, pauseAfter, sleep);
}

function pauseAfter(error: unknown, tries: number): number | null {
	if (!isTransient(error)) return null;
	if (tries === MAX_TRIES) throw unavailable(error);
	return Math.random() * Math.min(LONGEST_PAUSE_MS, 100 * 2 ** tries);
}

/** Turns what a database throws into `database_error` (500). */
export function databaseError(error: unknown): LifeboatError {
	return toLifeboatError(error, 'The database refused a query.', {
		code: 'database_error',
		status: 500,
		hint: "Look at the function's log for the reason, then try again.",
	});
}

function isTransient(error: unknown): boolean {
	const message = messageOf(error);
	return !isTooMuch(error) && TRANSIENT.some((text) => message.includes(text));
}

function unavailable(cause: unknown): LifeboatError {
	return new LifeboatError('The database did not answer after several tries.', {
		code: 'database_unavailable',
		status: 503,
		hint: 'Try again in a few minutes.',
		retryable: true,
		retryAfter: 60,
		cause,
	});
}
