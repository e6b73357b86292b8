import { createHash, createHmac } from 'node:crypto';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { Miniflare } from 'miniflare';

const WORKER = fileURLToPath(new URL('worker.ts', import.meta.url));
const MODULE = 'worker.js';

/** The newest date that the installed workerd knows. */
export const COMPATIBILITY_DATE = '2026-11-01';

/** The folder in which wrangler keeps everything that it persists. */
const folderOf = (persistTo: string) => join(persistTo, 'v3');

/**
 * Starts workerd with ./worker.ts and the database `id` in a folder as `wrangler --persist-to` takes it.
 * Returns the Worker's address. By Miniflare itself, which starts in half the time of wrangler.
 */
export async function startLocal(persistTo: string, id: string, token: string): Promise<URL> {
	const { outputFiles } = await build({
		entryPoints: [WORKER],
		bundle: true,
		format: 'esm',
		write: false,
		tsconfigRaw: {},
	});
	const [bundle] = outputFiles;
	const modules = { [MODULE]: { type: 'esm' as const, contents: bundle?.text ?? '' } };
	const miniflare = new Miniflare({
		host: '127.0.0.1',
		port: 0,
		cf: false, // otherwise it asks Cloudflare for the properties of requests
		resourcePersistencePath: folderOf(persistTo),
		workers: [
			{
				config: {
					name: 'lifeboat-restore',
					compatibilityDate: COMPATIBILITY_DATE,
					manifest: { mainModule: MODULE, modulesRoot: '/', modules },
					env: { DB: { type: 'd1', id }, TOKEN: { type: 'text', value: token } },
				},
			},
		],
	});
	return miniflare.ready;
}

/**
 * Where the embedded D1 keeps a database: it is a Durable Object, whose file carries the id that
 * workerd derives from its name (workerd, actor-id-impl.c++).
 */
export function fileOf(persistTo: string, id: string): string {
	const namespace = 'miniflare-D1DatabaseObject';
	const key = createHash('sha256').update(namespace).digest();
	const hmac = (data: string | Buffer) =>
		createHmac('sha256', key).update(data).digest().subarray(0, 16);
	const name = hmac(id);
	const object = Buffer.concat([name, hmac(name)]).toString('hex');
	return join(folderOf(persistTo), 'd1', namespace, `${object}.sqlite`);
}
