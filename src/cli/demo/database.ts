import { join } from 'node:path';
import type { D1Database } from '@cloudflare/workers-types';

/**
 * The embedded database `DB` of wrangler.toml, in a folder as `wrangler --persist-to` takes it. While
 * it is open, Miniflare ends the process on a signal.
 */
export async function openDatabase(
	persistTo: string,
): Promise<{ database: D1Database } & AsyncDisposable> {
	const { getPlatformProxy } = await import('wrangler'); // takes most of a second
	const { env, dispose } = await getPlatformProxy<{ DB: D1Database }>({
		persist: { path: join(persistTo, 'v3') }, // wrangler's commands use this subfolder
		envFiles: [],
		remoteBindings: false,
	});
	return { database: env.DB, [Symbol.asyncDispose]: dispose };
}
