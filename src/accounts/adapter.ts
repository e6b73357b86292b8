import { D1Adapter } from '@auth/d1-adapter';
import type { D1Database } from '@cloudflare/workers-types';
import { guardAdapter } from '$lib/auth';

/** The adapter of Auth.js on this app's tables, guarded as {@link guardAdapter} describes. */
export function accountsAdapter(database: D1Database): ReturnType<typeof D1Adapter> {
	return guardAdapter(D1Adapter(database), async ({ userId, provider }) => {
		const existing = await database
			.prepare('SELECT 1 FROM accounts WHERE userId = ?1 AND provider = ?2')
			.bind(userId, provider)
			.first();
		return existing !== null;
	});
}
