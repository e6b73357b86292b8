import type { D1Database } from '@cloudflare/workers-types';
import { type SqlDatabase } from '../src/lib/server/backup/database.ts';
import { RESTORE_MARKER } from '../src/lib/server/backup/sql.ts';

// Killed restores, and the marker they leave.

/**
 * The database, except that its `n`-th batch (from 1), whether it runs or not, and all later ones never
 * return.
 */
export function dying(
	database: SqlDatabase,
	n: number,
	{ afterwards = false } = {},
): { database: SqlDatabase; died: Promise<null>; calls(): number } {
	const { promise: died, resolve } = Promise.withResolvers<null>();
	let calls = 0;
	return {
		died,
		calls: () => calls,
		database: {
			async batch(statements) {
				if (++calls < n) return database.batch(statements);
				if (calls === n && afterwards) await database.batch(statements);
				resolve(null);
				return new Promise<never>(() => {});
			},
		},
	};
}

/** Ages the marker, as if its restore had been silent for this many seconds. */
export async function ageMarker(database: D1Database, seconds = 61): Promise<void> {
	await database.prepare(`UPDATE ${RESTORE_MARKER} SET at = at - ${seconds}`).run();
}
