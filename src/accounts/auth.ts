import { SvelteKitAuth } from '@auth/sveltekit';
import GitHub from '@auth/sveltekit/providers/github';
import { accountsAdapter } from '$accounts/adapter';
import { SESSION_SECONDS } from '$accounts/session';
import { authSettings } from '$accounts/settings';

/**
 * Auth.js: people sign in with GitHub, and sessions are in D1. The configuration is made for each
 * request, which brings the bindings; it throws LifeboatError if a setting is missing.
 */
export const { handle } = SvelteKitAuth(async ({ platform }) => {
	const env = import.meta.env.DEV
		? (await import('./demo')).demoEnvironment(platform?.env)
		: platform?.env;
	const settings = authSettings(env);
	return {
		adapter: accountsAdapter(settings.database),
		secret: settings.authSecret,
		// @auth/sveltekit sets false in a production build, before Auth.js could detect Cloudflare.
		// Cloudflare has routed the request here by its address, so that can be trusted.
		trustHost: true,
		session: { maxAge: SESSION_SECONDS, updateAge: SESSION_SECONDS },
		pages: { signIn: '/', signOut: '/', error: '/' },
		providers: [
			GitHub({
				clientId: settings.githubId,
				clientSecret: settings.githubSecret,
				enterprise: { baseUrl: settings.githubEnterpriseUrl },
				// Also state, because GitHub Enterprise servers from before PKCE ignore that.
				checks: ['pkce', 'state'],
				// Nothing calls GitHub later, so no token is kept, and neither the database nor a backup
				// can leak one.
				account: () => undefined,
			}),
		],
		logger: { error: (error) => console.error(`Signing in: ${describe(error)}`) },
		callbacks: {
			// Field by field, because the default includes the session token.
			session: ({ session, user }) => ({
				user: { id: user.id, name: user.name, email: user.email, image: user.image },
				expires: session.expires,
			}),
		},
	};
});

/**
 * An error for the log. Auth.js itself would print stacks, which contain what strangers send; messages
 * of the database or GitHub do not.
 */
function describe({ name, cause }: Error): string {
	const inner = typeof cause === 'object' && cause !== null && 'err' in cause ? cause.err : null;
	return inner instanceof Error ? `${name}: ${inner.message}` : name;
}
