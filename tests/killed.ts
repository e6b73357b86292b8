import type { D1Database } from '@cloudflare/workers-types';
import { type SqlDatabase } from '../src/lib/server/backup/database.ts';
import { RESTORE_MARKER } from '../src/lib/server/backup/sql.ts';

// Restores that are killed, and what they leave.

/** The database, until its `n`-th batch (from 1): that one never comes back, done or not, nor do later ones. */
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

/** The marker in the database as it is when its restore has been silent for so many seconds. */
export async function ageMarker(database: D1Database, seconds = 61): Promise<void> {
	await database.prepare(`UPDATE ${RESTORE_MARKER} SET at = at - ${seconds}`).run();
}
