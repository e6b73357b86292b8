import { redirect, type RequestEvent } from '@sveltejs/kit';
import { database } from '$lib/server/environment';
import type { AppEnvironment } from './settings';

// Development only. Everything that imports this module does so behind `import.meta.env.DEV`,
// so a production build leaves it out; tests/app/build.test.ts proves it.

const DEMO_USER = 'demo-sailor';
const SESSION_MS = 24 * 60 * 60 * 1000;

/** `env` with stand-ins for the secrets of signing in that a fresh checkout does not have. */
export function demoEnvironment(env: AppEnvironment | undefined): AppEnvironment {
	return {
		...env,
		AUTH_SECRET: env?.AUTH_SECRET || DEMO_USER,
		GITHUB_ID: env?.GITHUB_ID || DEMO_USER,
		GITHUB_SECRET: env?.GITHUB_SECRET || DEMO_USER,
	};
}

/**
 * Signs in as the demo user, who is created when missing, and goes to the profile. Auth.js has no
 * way for this: its credentials provider refuses sessions in a database.
 * Throws {@link LifeboatError} when the database binding is missing.
 */
export async function signInAsDemoUser({ platform, cookies }: RequestEvent): Promise<never> {
	const db = database(platform?.env);
	const token = crypto.randomUUID();
	const expires = new Date(Date.now() + SESSION_MS);
	await db.batch([
		db
			.prepare('INSERT INTO users (id, name, email) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING')
			.bind(DEMO_USER, 'Demo Sailor', 'demo-sailor@lifeboat.invalid'),
		db
			.prepare('INSERT INTO sessions (id, sessionToken, userId, expires) VALUES (?1, ?1, ?2, ?3)')
			.bind(token, DEMO_USER, expires.toISOString()),
	]);
	// The name that Auth.js gives its cookie on plain http.
	cookies.set('authjs.session-token', token, { path: '/', expires, secure: false });
	redirect(303, '/profile');
}
