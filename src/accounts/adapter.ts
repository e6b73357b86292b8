import { D1Adapter } from '@auth/d1-adapter';
import type { D1Database } from '@cloudflare/workers-types';
import { createHash } from 'node:crypto';

type Adapter = ReturnType<typeof D1Adapter>;

/**
 * What the database holds in place of a session token, so that a backup signs nobody in: its SHA-256,
 * in hexadecimal. A token is a random UUID, so it needs no salt.
 */
export function storedToken(token: string): string {
	return createHash('sha256').update(token).digest('hex');
}

/**
 * The adapter of Auth.js, with two changes. Only the hash of a session token is stored; Auth.js, and so
 * the cookie, has the token itself. And `linkAccount` throws if the user already has an account of that
 * provider: Auth.js links any further account to the user who is signed in.
 */
export function accountsAdapter(database: D1Database): Adapter {
	const adapter = D1Adapter(database) as Required<Adapter>;
	return {
		...adapter,
		async createSession(session) {
			const { sessionToken } = session;
			const stored = { ...session, sessionToken: storedToken(sessionToken) };
			return { ...(await adapter.createSession(stored)), sessionToken };
		},
		async getSessionAndUser(sessionToken) {
			const found = await adapter.getSessionAndUser(storedToken(sessionToken));
			return found && { ...found, session: { ...found.session, sessionToken } };
		},
		async updateSession(session) {
			const { sessionToken } = session;
			const stored = { ...session, sessionToken: storedToken(sessionToken) };
			const updated = await adapter.updateSession(stored);
			return updated && { ...updated, sessionToken };
		},
		async deleteSession(sessionToken) {
			await adapter.deleteSession(storedToken(sessionToken));
		},
		async linkAccount(account) {
			await requireFirst(database, account);
			await adapter.linkAccount(account);
		},
	};
}

/** Throws if a user already has an account of a provider. */
async function requireFirst(
	database: D1Database,
	{ userId, provider }: { userId: string; provider: string },
): Promise<void> {
	const existing = await database
		.prepare('SELECT 1 FROM accounts WHERE userId = ?1 AND provider = ?2')
		.bind(userId, provider)
		.first();
	if (existing) throw new Error(`This user already has an account of ${provider}.`);
}
