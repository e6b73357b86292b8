import { manifestKey } from '../../src/lib/server/backup/format/names.ts';
import { startBackup } from '../../src/lib/server/backup/index.ts';
import { UNLIMITED } from '../../src/lib/server/backup/make/budget.ts';
import { verifyBackup } from '../../src/lib/server/backup/prove/prove.ts';
import { engineOf } from '../../src/lib/server/backup/settings.ts';
import { MemoryBucket } from './memory-bucket.js';

const bucket = new MemoryBucket();

/**
 * Makes backups in memory with the app's engine and settings, and changes the database between them:
 * `POST /full`, `/auto`, `/verify` (a name), `/sql` (statements) and `/empty`; `GET /KEY` returns an object.
 */
export default {
	/**
	 * @param {Request} request
	 * @param {import('../../src/lib/server/environment.ts').Environment & { DB: D1Database }} env
	 */
	async fetch(request, env) {
		const { pathname } = new URL(request.url);
		const engine = {
			...engineOf({ ...env, MY_BUCKET: bucket.binding() }),
			budget: UNLIMITED,
		};
		if (request.method !== 'POST') {
			const object = await engine.bucket.get(decodeURIComponent(pathname.slice(1)));
			return new Response(object === null ? 'ready' : /** @type {ReadableStream} */ (object.body));
		}
		const body = await request.text();
		if (pathname === '/full' || pathname === '/auto') {
			const kind = pathname === '/full' ? 'full' : 'auto';
			const step = await startBackup(engine, () => {}, { kind });
			if (!('manifest' in step)) throw new Error('The backup is not done.');
			const storedBytes = bucket.bytesOf(step.manifest.name);
			return Response.json({ manifest: step.manifest, storedBytes });
		}
		if (pathname === '/verify') {
			return Response.json(await verifyBackup(engine, manifestKey(JSON.parse(body))));
		}
		if (pathname === '/empty') bucket.clear();
		else {
			const statements = /** @type {string[]} */ (JSON.parse(body));
			await env.DB.batch(statements.map((sql) => env.DB.prepare(sql)));
		}
		return Response.json(null);
	},
};
