import { startBackup } from '../../src/lib/server/backup/index.ts';
import { UNLIMITED } from '../../src/lib/server/backup/make/budget.ts';
import { engineOf } from '../../src/lib/server/backup/settings.ts';

/** Milliseconds that each call of D1 takes longer in production. */
const LATENCY_MS = 30;

/** @param {number} milliseconds */
const wait = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/**
 * The database as a Worker elsewhere sees it.
 *
 * @param {D1Database} database
 */
function distant(database) {
	return new Proxy(database, {
		get: (target) => (/** @type {string} */ constraint) => {
			const session = target.withSession(constraint);
			return {
				prepare: (/** @type {string} */ sql) => session.prepare(sql),
				getBookmark: () => session.getBookmark(),
				batch: async (/** @type {D1PreparedStatement[]} */ statements) => {
					await wait(LATENCY_MS);
					return session.batch(statements);
				},
			};
		},
	});
}

/** Makes a backup, or runs statements of the clients that use the database meanwhile. */
export default {
	/**
	 * @param {Request} request
	 * @param {import('../../src/lib/server/environment.ts').Environment & { DB: D1Database, MY_BUCKET: R2Bucket }} env
	 */
	async fetch(request, env) {
		const { pathname } = new URL(request.url);
		if (request.method !== 'POST') {
			const object = await env.MY_BUCKET.get(pathname.slice(1));
			return new Response(object?.body ?? 'ready');
		}
		if (pathname === '/empty') {
			const { objects } = await env.MY_BUCKET.list();
			await env.MY_BUCKET.delete(objects.map(({ key }) => key));
			return Response.json(null);
		}
		if (pathname === '/backup') {
			const engine = { ...engineOf(env), budget: UNLIMITED, database: distant(env.DB) };
			try {
				return Response.json(await startBackup(engine));
			} catch (error) {
				return Response.json({ error: String(error) });
			}
		}
		const statements = /** @type {string[]} */ (await request.json());
		const results = await env.DB.batch(statements.map((sql) => env.DB.prepare(sql)));
		return Response.json(results.map(({ meta }) => meta));
	},
};
