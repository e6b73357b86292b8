import { createHash } from 'node:crypto';

/** The methods of an adapter of Auth.js that a guard changes (@auth/core, adapters.d.ts). */
interface Adapter {
	createSession(session: Session & { userId: string; expires: Date }): Promise<Session>;
	getSessionAndUser(sessionToken: string): Promise<{ session: Session; user: object } | null>;
	updateSession(session: Session): Promise<Session | null | undefined>;
	deleteSession(sessionToken: string): Promise<unknown>;
	linkAccount(account: Account): Promise<unknown>;
}

interface Session {
	sessionToken: string;
}

/** An account with which somebody signs in. */
export interface Account {
	userId: string;
	provider: string;
}

/**
 * What the database holds in place of a session token, so that a backup signs nobody in: its SHA-256,
 * in hexadecimal. A token is a random UUID, so it needs no salt.
 */
export function storedToken(token: string): string {
	return createHash('sha256').update(token).digest('hex');
}

/**
 * An adapter of Auth.js that keeps its sessions in the database, with two changes. Only the hash of a
 * session token is stored; Auth.js, and so the cookie, has the token itself. And `linkAccount` throws if
 * `hasAccount` says that the user has an account of that provider: Auth.js links any further account to
 * the user who is signed in.
 */
export function guardAdapter<A extends object>(
	adapter: A,
	hasAccount: (account: Account) => Promise<boolean>,
): A {
	const inner = adapter as unknown as Adapter;
	const guard: Adapter = {
		async createSession(session) {
			const { sessionToken } = session;
			const stored = { ...session, sessionToken: storedToken(sessionToken) };
			return { ...(await inner.createSession(stored)), sessionToken };
		},
		async getSessionAndUser(sessionToken) {
			const found = await inner.getSessionAndUser(storedToken(sessionToken));
			return found && { ...found, session: { ...found.session, sessionToken } };
		},
		async updateSession(session) {
			const { sessionToken } = session;
			const stored = { ...session, sessionToken: storedToken(sessionToken) };
			const updated = await inner.updateSession(stored);
			return updated && { ...updated, sessionToken };
		},
		async deleteSession(sessionToken) {
			await inner.deleteSession(storedToken(sessionToken));
		},
		async linkAccount(account) {
			const { provider } = account;
			if (await hasAccount(account)) {
				throw new Error(`This user already has an account of ${provider}.`);
			}
			await inner.linkAccount(account);
		},
	};
	return { ...adapter, ...guard };
}
