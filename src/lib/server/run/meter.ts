import type { D1Database } from '../platform.ts';
import type { Budget } from '../backup/engine.ts';

/** What a call has used of its budget. */
export interface Used {
	/** Calls of D1 and R2. */
	calls: number;
	/** Statements. */
	queries: number;
	/** Bytes of SQL in the backups that it has finished. */
	bytes: number;
}

/** Another database starts in the same call if no more than this share of the budget is used. */
export const USED_SHARE = 0.5;

/** Whether no more than a share of a budget is used. */
export function hasRoom(budget: Budget, used: Used, milliseconds: number, share: number): boolean {
	return (
		used.calls <= budget.calls * share &&
		used.queries <= budget.queries * share &&
		used.bytes <= budget.bytes * share &&
		milliseconds <= budget.milliseconds * share
	);
}

/** What is left of a budget; `rowsRead` were read by the finished backups of the whole run. */
export function whatIsLeft(
	budget: Budget,
	used: Used & { milliseconds: number; rowsRead: number },
): Budget {
	return {
		...budget,
		calls: budget.calls - used.calls,
		queries: budget.queries - used.queries,
		stage: budget.stage - used.queries,
		milliseconds: budget.milliseconds - used.milliseconds,
		bytes: budget.bytes - used.bytes,
		rowsRead: budget.rowsRead - used.rowsRead,
	};
}

/** The database, whose calls and statements count. */
export function countedDatabase(database: D1Database, used: Used): D1Database {
	return {
		withSession(constraint) {
			const session = database.withSession(constraint);
			return {
				prepare: (query) => session.prepare(query),
				getBookmark: () => session.getBookmark(),
				batch(statements) {
					used.calls++;
					used.queries += statements.length;
					return session.batch(statements);
				},
			};
		},
	};
}
