import { readFile } from 'node:fs/promises';
import { programBeside } from '../terminal/run.ts';
import { folderOf } from './file.ts';
import { loadMiniflare } from './wrangler.ts';

const WORKER = programBeside(import.meta.url, 'worker');
const MODULE = 'worker.js';

/** The newest date that the installed workerd knows. */
export const COMPATIBILITY_DATE = '2026-11-01';

/**
 * Starts workerd with ./worker.ts and the database `id` in a folder as `wrangler --persist-to` takes it.
 * Returns the Worker's address. By Miniflare itself, which starts in half the time of wrangler.
 */
export async function startLocal(persistTo: string, id: string, token: string): Promise<URL> {
	const { Miniflare } = loadMiniflare();
	const modules = { [MODULE]: { type: 'esm' as const, contents: await workerCode() } };
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

/** ./worker.ts and its imports as one module. The package holds that, so that it needs no bundler. */
async function workerCode(): Promise<string> {
	if (WORKER.endsWith('.js')) return readFile(WORKER, 'utf8');
	const { build } = await import('esbuild');
	const { outputFiles } = await build({
		entryPoints: [WORKER],
		bundle: true,
		format: 'esm',
		write: false,
		tsconfigRaw: {},
	});
	return outputFiles[0]?.text ?? '';
}
