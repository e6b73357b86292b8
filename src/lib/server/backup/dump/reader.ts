import { LifeboatError } from '../../errors.ts';
import {
	type BatchResult,
	databaseError,
	isTooMuch,
	messageOf,
	retrying,
	type Sleep,
	type SqlDatabase,
	type StatementResult,
} from '../database.ts';

/** The database was written to while it was being read: what was read so far is no state it had. */
export class SnapshotChanged extends Error {}

/** `result_too_large` (500): more than D1 gives at once; a smaller page may pass. */
export class ResultTooLarge extends LifeboatError {
	constructor(cause: unknown) {
		super('The database gave up on a query whose result was too large.', {
			code: 'result_too_large',
			status: 500,
			hint: "Look at the function's log for the reason; a single row may be too large for D1.",
			cause,
		});
	}
}

/** What tells the state that is being read from others. */
export interface Fence {
	/** `total_changes()` of the connection. */
	changes: number;
	/** Where this is given, the state has to have this bookmark too. */
	bookmark: string | null;
}

/** What reading cost so far. */
export interface ReadingCost {
	queries: number;
	rowsRead: number;
}

/**
 * Reads a database, never writes. Transient errors are retried, and a fence notices writes by
 * others: every query that returns `total_changes() AS changes` must see the number that the
 * first one saw. That number belongs to one connection, that of the primary. DDL does not move it,
 * which is why the schema is compared on its own.
 */
export class Reader {
	readonly cost: ReadingCost = { queries: 0, rowsRead: 0 };
	readonly #database: SqlDatabase;
	readonly #sleep: Sleep;
	readonly #bookmarkBefore: string | null;
	#changes: number | null;
	#bookmark: string | null = null;
	#lastBookmark: string | null = null;
	#databaseBytes = 0;

	/** `fence` is that of a reader before, which has to be in the same state still. */
	constructor(database: SqlDatabase, sleep: Sleep, fence: Fence | null = null) {
		this.#database = database;
		this.#sleep = sleep;
		this.#changes = fence?.changes ?? null;
		this.#bookmarkBefore = fence?.bookmark ?? null;
	}

	/** The Time Travel bookmark of the state that is being read; null before the first query. */
	get bookmark(): string | null {
		return this.#bookmark;
	}

	/** What another reader needs to go on in the same state. Only after a query with `changes`. */
	get fence(): Fence {
		return { changes: this.#changes ?? 0, bookmark: this.#lastBookmark };
	}

	/** Bytes of the database's file, by the last answer; 0 before the first query. */
	get databaseBytes(): number {
		return this.#databaseBytes;
	}

	/**
	 * Runs the statements as one batch, which is one transaction, and returns their results.
	 *
	 * Throws {@link SnapshotChanged}, {@link ResultTooLarge}, or a LifeboatError for what D1 refuses.
	 */
	batch = async (statements: string[]): Promise<StatementResult[]> => {
		const { results, bookmark } = await this.#send(statements);
		this.#bookmark ??= bookmark;
		this.#lastBookmark = bookmark;
		if (this.#bookmarkBefore !== null && this.#bookmark !== this.#bookmarkBefore) {
			throw new SnapshotChanged();
		}
		this.cost.queries += results.length;
		for (const { meta, results: rows } of results) {
			this.cost.rowsRead += meta.rows_read ?? 0;
			this.#databaseBytes = meta.size_after ?? this.#databaseBytes;
			const changes = rows[0]?.['changes'];
			if (typeof changes === 'number') this.#fence(changes - writesOfLocalBookmarks(bookmark));
		}
		return results;
	};

	async #send(statements: string[]): Promise<BatchResult> {
		try {
			return await retrying(() => this.#database.batch(statements), this.#sleep);
		} catch (error) {
			throw failure(error);
		}
	}

	#fence(changes: number): void {
		this.#changes ??= changes;
		if (changes !== this.#changes) throw new SnapshotChanged();
	}
}

/**
 * In local development every call that asks for a bookmark counts one up in a table of the
 * database, which moves `total_changes()` as much; such bookmarks have zeros where those of
 * production have a hash (workerd, actor-sqlite.c++, getCurrentBookmark).
 */
function writesOfLocalBookmarks(bookmark: string | null): number {
	const [, high, low] = /^([0-9a-f]{8})-([0-9a-f]{8})-0{8}-0{32}$/.exec(bookmark ?? '') ?? [];
	if (high === undefined || low === undefined) return 0;
	return Number.parseInt(high, 16) * 0xffff_ffff + Number.parseInt(low, 16);
}

function failure(error: unknown): Error {
	if (error instanceof LifeboatError) return error;
	if (isTooMuch(error)) return new ResultTooLarge(error);
	const message = messageOf(error);
	// A table that the catalog knew is gone: someone changed the schema meanwhile.
	if (/no such (table|column)/.test(message)) return new SnapshotChanged(message, { cause: error });
	if (message.includes('daily row read limit')) {
		return new LifeboatError("The account's free daily rows are used up.", {
			code: 'database_quota',
			status: 429,
			hint: 'Try again after midnight UTC, or move the account to the paid plan.',
			retryable: true,
			cause: error,
		});
	}
	return databaseError(error);
}
