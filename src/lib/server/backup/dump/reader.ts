import * as v from 'valibot';
import { LifeboatError } from '../../errors.ts';
import {
	type BatchResult,
	databaseError,
	isTooMuch,
	mayHaveReset,
	messageOf,
	retrying,
	type SqlDatabase,
	type StatementResult,
} from '../database.ts';
import { type Sleep } from '../../retry.ts';

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

/** What tells the state that is being read from others, as JSON can hold it. */
export const FenceSchema = v.object({
	/** `total_changes()` of the connection. */
	changes: v.number(),
	/** The Time Travel bookmark; null where there is none. */
	bookmark: v.nullable(v.string()),
	/** Whether each answer has to have that bookmark, or whether the counter of changes is enough. */
	needsBookmark: v.boolean(),
	/** Bytes of the database's file; null where they do not tell one state from another. */
	databaseBytes: v.nullable(v.number()),
});
export type Fence = v.InferOutput<typeof FenceSchema>;

/** What reading cost so far. */
export interface ReadingCost {
	queries: number;
	rowsRead: number;
}

/** What a reader may be told. */
export interface ReaderOptions {
	/** That of a reader before, which has to be in the same state still. */
	fence?: Fence | null;
	/** Whether a bookmark that has stood still under reads has to stay the same from then on. */
	watchBookmark?: boolean;
}

/**
 * Reads a database, never writes. Transient errors are retried, and a fence notices writes by others:
 *
 * - Every query that returns `total_changes() AS changes` must see the number that the first one saw.
 *   That number belongs to one connection, that of the primary. DDL does not move it, which is why the
 *   schema is compared on its own.
 * - The file's size must stay the same.
 * - The number begins again with the database's object. So once a call has failed, D1 has made it more
 *   than once, or another reader's fence says so, the bookmark must be the same too. See
 *   docs/format.md, "Consistency", for why this is not asked of every answer.
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

	/** What another reader needs to go on in the same state. Only after a query with `changes`. */
	get fence(): Fence {
		const local = isLocal(this.#bookmark);
		return {
			changes: this.#changes ?? 0,
			bookmark: this.#bookmark,
			needsBookmark: this.#needsBookmark,
			databaseBytes: local ? null : this.#databaseBytes,
		};
	}

	/** Bytes of the database's file; 0 where they are not known. */
	get databaseBytes(): number {
		return this.#databaseBytes ?? 0;
	}

	/** Forgets the state read so far, so that another may be read. The caller compares what it keeps from before. */
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
	 * Throws {@link SnapshotChanged}, {@link ResultTooLarge}, or a LifeboatError for what D1 refuses.
	 */
	batch = async (statements: string[]): Promise<StatementResult[]> => {
		const { results, bookmark } = await this.#send(statements);
		// D1 makes a call that reads again by itself (D1 > Release notes, 2025-09-11).
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
			throw failure(error);
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

	/** The counter of changes may have begun again, unless nothing was read before. */
	#doubt(): void {
		if (this.#bookmark !== null && !isLocal(this.#bookmark)) this.#needsBookmark = true;
	}

	#requireBookmark(bookmark: string | null): void {
		const stands = bookmark !== null && bookmark === this.#lastBookmark;
		if (stands && this.#watchBookmark) this.#needsBookmark = true;
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
 * In local development every call that asks for a bookmark counts one up in a table of the database.
 * This moves `total_changes()` as much, and may make the file grow; such bookmarks have zeros where
 * those of production have a hash (workerd, actor-sqlite.c++, getCurrentBookmark).
 */
const LOCAL_BOOKMARK = /^([0-9a-f]{8})-([0-9a-f]{8})-0{8}-0{32}$/;

/** True for a bookmark of local development, which each call moves. */
export function isLocal(bookmark: string | null): boolean {
	return LOCAL_BOOKMARK.test(bookmark ?? '');
}

/** By how much the bookmarks that were asked for have moved `total_changes()`, give or take a constant. */
export function writesOfLocalBookmarks(bookmark: string | null): number {
	const [, high, low] = LOCAL_BOOKMARK.exec(bookmark ?? '') ?? [];
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
