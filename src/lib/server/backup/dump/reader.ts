import * as v from 'valibot';
import { LifeboatError } from '../../errors.ts';
import type { Sleep } from '../../retry.ts';
import {
	type BatchResult,
	databaseError,
	isTooMuch,
	mayHaveReset,
	retrying,
	type SqlDatabase,
	type StatementResult,
} from '../database.ts';
import { messageOf } from '../../errors.ts';

/** The database was written to while it was being read, so what was read is not one state of it. */
export class SnapshotChanged extends Error {}

/** `result_too_large` (500): more than D1 returns at once. A smaller page may succeed. */
export class ResultTooLarge extends LifeboatError {
	constructor(cause: unknown) {
		super('The database could not finish a query because its result was too large.', {
			code: 'result_too_large',
			status: 500,
			hint: "See the function's log for the reason; a single row may be too large for D1.",
			cause,
		});
	}
}

/** What identifies the state that is being read, as JSON. */
export const FenceSchema = v.object({
	/** `total_changes()` of the connection. */
	changes: v.number(),
	/** The Time Travel bookmark; null if there is none. */
	bookmark: v.nullable(v.string()),
	/** Whether each answer must have this bookmark; if not, the number of changes is enough. */
	needsBookmark: v.boolean(),
	/** Bytes of the database's file; null if its size also changes without writes. */
	databaseBytes: v.nullable(v.number()),
});
export type Fence = v.InferOutput<typeof FenceSchema>;

/** What reading has cost so far. */
export interface ReadingCost {
	queries: number;
	rowsRead: number;
}

export interface ReaderOptions {
	/** The fence of an earlier reader, whose state this reader continues. */
	fence?: Fence | null;
	/** Whether to require the same bookmark once two answers in a row have had the same. */
	watchBookmark?: boolean;
}

/**
 * Reads a database and never writes to it. Retries transient errors, and detects writes by others:
 *
 * - Every query that returns `total_changes() AS changes` must return the same number. It counts
 *   the changes of one connection, that of the primary. DDL does not change it, so the schema is
 *   compared separately.
 * - The size of the database's file must stay the same.
 * - The number starts again at zero when the database's object restarts. So the bookmark must stay
 *   the same too once a call has failed, once D1 has repeated a call, or if an earlier reader's
 *   fence says so. docs/format.md, "Consistency", explains why not every answer needs the same
 *   bookmark.
 */
export class Reader {
	readonly cost: ReadingCost = { queries: 0, rowsRead: 0 };
	readonly #database: SqlDatabase;
	readonly #sleep: Sleep;
	readonly #watchBookmark: boolean;
	#changes: number | null;
	#bookmark: string | null;
	#needsBookmark: boolean;
	#databaseBytes: number | null;
	#lastBookmark: string | null = null;

	constructor(
		database: SqlDatabase,
		sleep: Sleep,
		{ fence = null, watchBookmark = false }: ReaderOptions = {},
	) {
		this.#database = database;
		this.#sleep = sleep;
		this.#watchBookmark = watchBookmark;
		this.#changes = fence?.changes ?? null;
		this.#bookmark = fence?.bookmark ?? null;
		this.#needsBookmark = fence?.needsBookmark ?? false;
		this.#databaseBytes = fence?.databaseBytes ?? null;
	}

	/** The Time Travel bookmark of the state that is being read; null before the first query. */
	get bookmark(): string | null {
		return this.#bookmark;
	}

	/**
	 * What another reader needs to continue in the same state. Valid after a query with `changes`.
	 */
	get fence(): Fence {
		const local = isLocal(this.#bookmark);
		return {
			changes: this.#changes ?? 0,
			bookmark: this.#bookmark,
			needsBookmark: this.#needsBookmark,
			databaseBytes: local ? null : this.#databaseBytes,
		};
	}

	/** Bytes of the database's file; 0 if unknown. */
	get databaseBytes(): number {
		return this.#databaseBytes ?? 0;
	}

	/** Starts a new state. The caller has to compare whatever it keeps from the one before. */
	beginState(): void {
		this.#changes = null;
		this.#bookmark = null;
		this.#needsBookmark = false;
		this.#databaseBytes = null;
		this.#lastBookmark = null;
	}

	/**
	 * Runs the statements as one batch, which is one transaction, and returns their results.
	 *
	 * Throws {@link SnapshotChanged}, {@link ResultTooLarge}, `database_quota` (429),
	 * `database_error` (500) or `database_unavailable` (503).
	 */
	batch = async (statements: string[]): Promise<StatementResult[]> => {
		const { results, bookmark } = await this.#send(statements);
		// D1 itself repeats calls that only read (D1 > Release notes, 2025-09-11).
		if (results.some(({ meta }) => (meta.total_attempts ?? 1) > 1)) this.#doubt();
		this.#requireBookmark(bookmark);
		this.cost.queries += results.length;
		for (const { meta, results: rows } of results) {
			this.cost.rowsRead += meta.rows_read ?? 0;
			this.#requireBytes(meta.size_after, bookmark);
			const changes = rows[0]?.['changes'];
			if (typeof changes !== 'number') continue;
			this.#requireChanges(changes - writesOfLocalBookmarks(bookmark));
		}
		return results;
	};

	async #send(statements: string[]): Promise<BatchResult> {
		try {
			return await retrying(() => this.#call(statements), this.#sleep);
		} catch (error) {
			throw readingFailure(error);
		}
	}

	async #call(statements: string[]): Promise<BatchResult> {
		try {
			return await this.#database.batch(statements);
		} catch (error) {
			if (mayHaveReset(error)) this.#doubt();
			throw error;
		}
	}

	/** The number of changes may have started again, which matters if something was read before. */
	#doubt(): void {
		if (this.#bookmark !== null && !isLocal(this.#bookmark)) this.#needsBookmark = true;
	}

	#requireBookmark(bookmark: string | null): void {
		const isSame = bookmark !== null && bookmark === this.#lastBookmark;
		if (isSame && this.#watchBookmark) this.#needsBookmark = true;
		this.#lastBookmark = bookmark;
		this.#bookmark ??= bookmark;
		if (this.#needsBookmark && bookmark !== this.#bookmark) throw new SnapshotChanged();
	}

	#requireBytes(bytes: number | undefined, bookmark: string | null): void {
		if (bytes === undefined) return;
		const before = this.#databaseBytes;
		this.#databaseBytes = bytes;
		if (before !== null && before !== bytes && !isLocal(bookmark)) throw new SnapshotChanged();
	}

	#requireChanges(changes: number): void {
		this.#changes ??= changes;
		if (changes !== this.#changes) throw new SnapshotChanged();
	}
}

/**
 * In local development each call that asks for a bookmark increments a counter in a table of the
 * database, which also increments `total_changes()` and may make the file grow. These bookmarks
 * have zeros where production has a hash (workerd, actor-sqlite.c++, getCurrentBookmark).
 */
const LOCAL_BOOKMARK = /^([0-9a-f]{8})-([0-9a-f]{8})-0{8}-0{32}$/;

/** True for a bookmark of local development, which changes with each call. */
export function isLocal(bookmark: string | null): boolean {
	return LOCAL_BOOKMARK.test(bookmark ?? '');
}

/**
 * The share of `total_changes()` that comes from asking for bookmarks locally, up to a constant.
 */
export function writesOfLocalBookmarks(bookmark: string | null): number {
	const [, high, low] = LOCAL_BOOKMARK.exec(bookmark ?? '') ?? [];
	if (high === undefined || low === undefined) return 0;
	return Number.parseInt(high, 16) * 0xffff_ffff + Number.parseInt(low, 16);
}

/** What {@link Reader.batch} throws for an error of the database. */
export function readingFailure(error: unknown): Error {
	if (error instanceof LifeboatError) return error;
	if (isTooMuch(error)) return new ResultTooLarge(error);
	const message = messageOf(error);
	// A table of the catalog is gone: the schema was changed meanwhile.
	if (/no such (table|column)/.test(message)) return new SnapshotChanged(message, { cause: error });
	if (/daily row (read|write) limit/.test(message)) {
		return new LifeboatError("The account has used up D1's free daily rows.", {
			code: 'database_quota',
			status: 429,
			hint: 'Try again after midnight UTC, or move the account to the paid plan.',
			retryable: true,
			cause: error,
		});
	}
	return databaseError(error);
}
