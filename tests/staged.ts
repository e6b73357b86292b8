import { env } from 'cloudflare:workers';
import type { D1Database, D1DatabaseSession, D1PreparedStatement } from '@cloudflare/workers-types';
import { UNLIMITED } from '../src/lib/server/backup/make/budget.ts';

// Databases in use, whose backups are staged, and what is left of a stage.

/** A database of which each call first runs something. */
export function disturbed(
	database: D1Database,
	before: (call: number) => Promise<unknown>,
): D1Database {
	let calls = 0;
	const wrap = (session: D1DatabaseSession) =>
		new Proxy(session, {
			get(target, property) {
				const value: unknown = Reflect.get(target, property);
				if (typeof value !== 'function') return value;
				if (property !== 'batch') return value.bind(target);
				return async (statements: D1PreparedStatement[]) => {
					await before(++calls);
					return target.batch(statements);
				};
			},
		});
	return new Proxy(database, {
		get: (target) => (constraint?: string) => wrap(target.withSession(constraint)),
	});
}

/** Treats every database as too large for one batch. */
export const LARGE = { ...UNLIMITED, atomicBytes: 0 };

/** Stores what the list knows of a staged backup, after which a large database is staged at once. */
export async function rememberStaged(): Promise<void> {
	const at = '2020-01-01T00:00:00.000Z';
	const name = `full_backup_${at}`;
	const counts = { tables: 0, rows: 0, sqlBytes: 0, bytes: 0, warnings: 0, waitedMs: 1 };
	const summary = JSON.stringify({
		...{ name, kind: 'full', parent: null, startedAt: at, finishedAt: at },
		...{ consistency: 'staged', volumes: '1', encodings: [], ...counts },
	});
	await env.MY_BUCKET.put(`${name}.manifest.json`, '{}', { customMetadata: { summary } });
}

/** The names of Lifeboat's tables in the database. */
export async function ourTables(database = env.DB): Promise<unknown[]> {
	const { results } = await database
		.prepare(`SELECT name FROM sqlite_schema WHERE name LIKE 'lifeboat%' ORDER BY name`)
		.all<{ name: string }>();
	return results.map(({ name }) => name);
}
