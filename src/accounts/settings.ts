import type { D1Database } from '@cloudflare/workers-types';
import { LifeboatError } from '$lib';

/** What the app itself reads of its environment: its database, and the settings of sign-in. */
export interface AppEnvironment {
	DB?: D1Database;
	AUTH_SECRET?: string;
	GITHUB_ID?: string;
	GITHUB_SECRET?: string;
	GITHUB_ENTERPRISE_URL?: string;
	BACKUP_ADMINS?: string;
	/** Set where the app runs as Cloudflare Pages. */
	CF_PAGES?: string;
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
		githubEnterpriseUrl: env?.GITHUB_ENTERPRISE_URL?.trim().replace(/\/+$/, '') || undefined,
	};
}

/** The D1 binding `DB`. Throws `db_binding_missing` (500). */
export function database(env: AppEnvironment | undefined): D1Database {
	if (env?.DB) return env.DB;
	throw new LifeboatError('The database binding DB is missing.', {
		code: 'db_binding_missing',
		status: 500,
		hint: 'Add a [[d1_databases]] entry with binding = "DB" to wrangler.toml and deploy again.',
	});
}

function required(
	env: AppEnvironment | undefined,
	name: 'AUTH_SECRET' | 'GITHUB_ID' | 'GITHUB_SECRET',
	how: string,
): string {
	const value = env?.[name]?.trim();
	if (value) return value;
	const isPages = env?.CF_PAGES !== undefined;
	const command = isPages ? 'wrangler pages secret put' : 'wrangler secret put';
	throw new LifeboatError(`The setting ${name} is missing.`, {
		code: `${name.toLowerCase()}_missing`,
		status: 500,
		hint: `${how}, then set it with \`npx ${command} ${name}\` (locally: in .env).`,
	});
}
