import app from '../../.svelte-kit/cloudflare/_worker.js';
import { limited, nothing, spendOn } from './limits.js';

/** Name in the metadata of a backup that was staged, after which the next one is staged at once. */
const STAGED = 'full_backup_2020-01-01T00:00:00.000Z';

const day = nothing();
let last = nothing();

/** What receives alerts and pings; each is a subrequest. */
globalThis.fetch = async () => {
	spendOn(last);
	return new Response('ok');
};

/**
 * The built app within the limits of the free plan. `GET /usage` returns what the last call used;
 * `POST /remember` stores what a list knows of a staged backup.
 */
export default {
	/**
	 * @param {Request} request
	 * @param {{ DB: D1Database, MY_BUCKET: R2Bucket }} env
	 * @param {ExecutionContext} context
	 */
	async fetch(request, env, context) {
		const { pathname } = new URL(request.url);
		if (pathname === '/usage') return Response.json(last);
		if (pathname === '/remember') {
			const customMetadata = { summary: await request.text() };
			await env.MY_BUCKET.put(`${STAGED}.manifest.json`, '{}', { customMetadata });
			return Response.json({ name: STAGED });
		}
		last = nothing();
		return app.fetch(request, limited(env, last, day), context);
	},
};
