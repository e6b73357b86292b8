import { redirect, type RequestEvent } from '@sveltejs/kit';
import { storedToken } from '$lib/auth';
import { type AppEnvironment, database } from './settings';

// Development only. This module is imported only behind `import.meta.env.DEV`, so that production
// builds leave it out; tests/app/build.test.ts checks that.

const DEMO_USER = 'demo-sailor';
const SESSION_MS = 24 * 60 * 60 * 1000;

/** The environment with placeholders for the sign-in secrets, which a fresh checkout does not have. */
export function demoEnvironment(env: AppEnvironment | undefined): AppEnvironment {
	return {
		...env,
		AUTH_SECRET: env?.AUTH_SECRET || DEMO_USER,
		GITHUB_ID: env?.GITHUB_ID || DEMO_USER,
		GITHUB_SECRET: env?.GITHUB_SECRET || DEMO_USER,
	};
}

/**
 * Signs in as the demo user, creating it if necessary, and redirects to the profile. Auth.js cannot do
 * this: its credentials provider does not support sessions in a database. Throws `db_binding_missing`
 * (500).
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
			.prepare('INSERT INTO sessions (id, sessionToken, userId, expires) VALUES (?1, ?2, ?3, ?4)')
			.bind(crypto.randomUUID(), storedToken(token), DEMO_USER, expires.toISOString()),
	]);
	// Auth.js's name of the cookie on plain http.
	cookies.set('authjs.session-token', token, { path: '/', expires, secure: false });
	redirect(303, '/profile');
}
