import type { D1Database } from '@cloudflare/workers-types';
import { database, type Environment, text } from '$lib/server/environment';

/** The environment of the app, with what signing people in takes as well. */
export interface AppEnvironment extends Environment {
	AUTH_SECRET?: string;
	GITHUB_ID?: string;
	GITHUB_SECRET?: string;
	GITHUB_ENTERPRISE_URL?: string;
	BACKUP_ADMINS?: string;
}

/** What signing people in needs. */
export interface AuthSettings {
	database: D1Database;
	authSecret: string;
	githubId: string;
	githubSecret: string;
	githubEnterpriseUrl: string | undefined;
}

/** The settings of Auth.js. Throws {@link LifeboatError} (500) that names what is missing. */
export function authSettings(env: AppEnvironment | undefined): AuthSettings {
	const oauthApp = 'Register an OAuth app at https://github.com/settings/developers';
	return {
		database: database(env),
		authSecret: text(env, 'AUTH_SECRET', 'Run `npm run setup` to make one'),
		githubId: text(env, 'GITHUB_ID', oauthApp),
		githubSecret: text(env, 'GITHUB_SECRET', oauthApp),
		githubEnterpriseUrl: env?.GITHUB_ENTERPRISE_URL?.trim().replace(/\/+$/, '') || undefined,
	};
}
