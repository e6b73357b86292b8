import { D1Adapter } from '@auth/d1-adapter';
import { SvelteKitAuth } from '@auth/sveltekit';
import GitHub from '@auth/sveltekit/providers/github';
import { authSettings } from '$accounts/settings';

/**
 * Auth.js: people sign in with GitHub, sessions live in D1. The configuration is made for each
 * request, because the bindings come with it; it throws {@link LifeboatError} when one is missing.
 */
export const { handle } = SvelteKitAuth(async ({ platform }) => {
	const env = import.meta.env.DEV
		? (await import('./demo')).demoEnvironment(platform?.env)
		: platform?.env;
	const settings = authSettings(env);
	return {
		adapter: D1Adapter(settings.database),
		secret: settings.authSecret,
		// @auth/sveltekit answers false for a production build before Auth.js looks for Cloudflare.
		// The address of a request is the one that Cloudflare routed here, so it can be trusted.
		trustHost: true,
		pages: { signIn: '/', signOut: '/', error: '/' },
		providers: [
			GitHub({
				clientId: settings.githubId,
				clientSecret: settings.githubSecret,
				enterprise: { baseUrl: settings.githubEnterpriseUrl },
				// State as well, because a GitHub Enterprise server that predates PKCE ignores it.
				checks: ['pkce', 'state'],
				// Nothing here calls GitHub later, so no token is kept: neither the database nor a
				// backup of it can leak one.
				account: () => undefined,
			}),
		],
		logger: { error: (error) => console.error(`Signing in: ${describe(error)}`) },
		callbacks: {
			// Named field by field: with sessions in a database the default holds the session token.
			session: ({ session, user }) => ({
				user: { id: user.id, name: user.name, email: user.email, image: user.image },
				expires: session.expires,
			}),
		},
	};
});

/**
 * What the log says of an error. Auth.js itself would print stacks, and with them what strangers send;
 * what the database or GitHub has said of it is not theirs.
 */
function describe({ name, cause }: Error): string {
	const inner = typeof cause === 'object' && cause !== null && 'err' in cause ? cause.err : null;
	return inner instanceof Error ? `${name}: ${inner.message}` : name;
}
