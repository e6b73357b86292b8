import type { D1Database } from '@cloudflare/workers-types';
import { LifeboatError } from '../errors.ts';
import { retry, type Sleep } from '../retry.ts';

/** A row as D1 answers it: what is asked for is text or small numbers, never a value as it is stored. */
export type Row = Record<string, string | number | null>;

/** The rows of one statement, and what D1 says of it. */
export interface StatementResult {
	results: Row[];
	meta: { rows_read?: number; size_after?: number; total_attempts?: number };
}

/** SQL, with values for ?1, ?2, … where literals would make it longer than D1 takes. */
export type SqlStatement = string | { sql: string; parameters: (string | Uint8Array)[] };

export interface BatchResult {
	results: StatementResult[];
	/** The Time Travel bookmark behind the batch; null where there is no such thing. */
	bookmark: string | null;
}

/** Whatever runs SQL: each batch is one transaction, of which all is done or nothing. */
export interface SqlDatabase {
	batch(statements: SqlStatement[]): Promise<BatchResult>;
}

/**
 * A D1 binding as an {@link SqlDatabase}. Each batch has a session of its own, whose first query
 * goes to the primary (D1 > Worker API > withSession).
 */
export function d1(binding: D1Database): SqlDatabase {
	return {
		async batch(statements) {
			const session = binding.withSession('first-primary');
			const prepared = statements.map((statement) => {
				if (typeof statement === 'string') return session.prepare(statement);
				return session.prepare(statement.sql).bind(...statement.parameters);
			});
			const results = await session.batch<Row>(prepared);
			return { results, bookmark: session.getBookmark() };
		},
	};
}

/** Tries of one call, the first included (D1 > Best practices > Retry queries: five attempts). */
const MAX_TRIES = 5;
/** Longest pause between two tries, in milliseconds (same page: full jitter, capped). */
const LONGEST_PAUSE_MS = 2_000;

/** D1 > Debug D1 > Error list: errors whose action is "retry", or to wait until the queue is shorter. */
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

/** SQLite's refusal of a single value. */
const TOO_LONG_VALUE = 'string or blob too big';
/** Same list: errors that a smaller query may avoid; the first two are SQLite's own. */
const TOO_MUCH = [
	TOO_LONG_VALUE,
	'out of memory',
	'exceeded timeout which caused object to be reset',
	'exceeded its memory limit and was reset',
	'exceeded its CPU time limit and was reset',
];

/** True when a smaller query may succeed where this one failed. */
export function isTooMuch(error: unknown): boolean {
	const message = messageOf(error);
	return TOO_MUCH.some((text) => message.includes(text));
}

/**
 * True when the database's object may have ended with the call, and with it all that it had in memory,
 * such as its counter of changes. Only behind one kind of failure is it sure to live on.
 */
export function mayHaveReset(error: unknown): boolean {
	return !messageOf(error).includes(TOO_LONG_VALUE);
}

/**
 * Makes a call of the database again while it fails for a moment only. What it threw otherwise is
 * thrown on; `database_unavailable` (503) when every try failed.
 */
export function retrying<T>(call: () => Promise<T>, sleep: Sleep): Promise<T> {
	return retry(call, pauseAfter, sleep);
}

function pauseAfter(error: unknown, tries: number): number | null {
	if (!isTransient(error)) return null;
	if (tries === MAX_TRIES) throw unavailable(error);
	return Math.random() * Math.min(LONGEST_PAUSE_MS, 100 * 2 ** tries);
}

/** The message of whatever was thrown. */
export function messageOf(error: unknown): string {
	return error instanceof Error ? error.message : String(error);
}

/** `database_error` (500): what a database throws, in our words; one of ours stays as it is. */
export function databaseError(error: unknown): LifeboatError {
	if (error instanceof LifeboatError) return error;
	return new LifeboatError('The database refused a query.', {
		code: 'database_error',
		status: 500,
		hint: "Look at the function's log for the reason, then try again.",
		cause: error,
	});
}

function isTransient(error: unknown): boolean {
	const message = messageOf(error);
	return !isTooMuch(error) && TRANSIENT.some((text) => message.includes(text));
}

function unavailable(cause: unknown): LifeboatError {
	return new LifeboatError('The database did not answer, after several tries.', {
		code: 'database_unavailable',
		status: 503,
		hint: 'Try again in a few minutes.',
		retryable: true,
		retryAfter: 60,
		cause,
	});
}
