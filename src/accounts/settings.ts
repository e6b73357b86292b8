import type { D1Database } from '@cloudflare/workers-types';
import { database, type Environment, required, text } from '$lib/server/environment';

/** The environment of the app: that of the library, and the settings of sign-in. */
export interface AppEnvironment extends Environment {
	AUTH_SECRET?: string;
	GITHUB_ID?: string;
	GITHUB_SECRET?: string;
	GITHUB_ENTERPRISE_URL?: string;
	BACKUP_ADMINS?: string;
}

/** What sign-in needs. */
export interface AuthSettings {
	database: D1Database;
	authSecret: string;
	githubId: string;
	githubSecret: string;
	/** Without a slash at the end; undefined for github.com. */
	githubEnterpriseUrl: string | undefined;
}

const OAUTH_APP = 'Register an OAuth app at https://github.com/settings/developers';

/** Throws LifeboatError (500): `db_binding_missing`, `<name>_missing`, as in `auth_secret_missing`. */
export function authSettings(env: AppEnvironment | undefined): AuthSettings {
	return {
		database: database(env),
		authSecret: required(env, 'AUTH_SECRET', 'Run `npm run setup` to make one'),
		githubId: required(env, 'GITHUB_ID', OAUTH_APP),
		githubSecret: required(env, 'GITHUB_SECRET', OAUTH_APP),
		githubEnterpriseUrl: text(env, 'GITHUB_ENTERPRISE_URL')?.replace(/\/+$/, ''),
	};
}
