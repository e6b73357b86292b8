import { join } from 'node:path';
import type { D1Database } from '@cloudflare/workers-types';
import { getPlatformProxy } from 'wrangler';

/**
 * The embedded database `DB` of wrangler.toml, in a folder such as `wrangler --persist-to` takes.
 * While it is open a signal ends the process at once, which is Miniflare's doing.
 */
export async function openDatabase(
	persistTo: string,
): Promise<{ database: D1Database } & AsyncDisposable> {
	const { env, dispose } = await getPlatformProxy<{ DB: D1Database }>({
		persist: { path: join(persistTo, 'v3') }, // where wrangler's commands keep it in that folder
		envFiles: [],
		remoteBindings: false,
	});
	return { database: env.DB, [Symbol.asyncDispose]: dispose };
}
