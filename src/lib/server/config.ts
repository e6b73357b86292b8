import type { D1Database, R2Bucket } from '@cloudflare/workers-types';
import { LifeboatError } from './errors.ts';

/** What `.env.example` documents, as the platform hands it over: nothing here is checked yet. */
export interface Environment {
	DB?: D1Database;
	MY_BUCKET?: R2Bucket;
	DRILL_DB?: D1Database;
	TOTP_SECRET?: string;
	AUTH_SECRET?: string;
	GITHUB_ID?: string;
	GITHUB_SECRET?: string;
	GITHUB_ENTERPRISE_URL?: string;
}

/** What a backup call needs. */
export interface BackupSettings {
	database: D1Database;
	bucket: R2Bucket;
	totpSecret: string;
}

/** What signing people in needs. */
export interface AuthSettings {
	database: D1Database;
	authSecret: string;
	githubId: string;
	githubSecret: string;
	githubEnterpriseUrl: string | undefined;
}

/** The settings of `/api/backup`. Throws {@link LifeboatError} (500) that names what is missing. */
export function backupSettings(env: Environment | undefined): BackupSettings {
	return {
		totpSecret: text(env, 'TOTP_SECRET', 'Run `npm run setup` to make one'),
		database: database(env),
		bucket: bucket(env),
	};
}

/** The settings of Auth.js. Throws {@link LifeboatError} (500) that names what is missing. */
export function authSettings(env: Environment | undefined): AuthSettings {
	const oauthApp = 'Register an OAuth app at https://github.com/settings/developers';
	return {
		database: database(env),
		authSecret: text(env, 'AUTH_SECRET', 'Run `npm run setup` to make one'),
		githubId: text(env, 'GITHUB_ID', oauthApp),
		githubSecret: text(env, 'GITHUB_SECRET', oauthApp),
		githubEnterpriseUrl: env?.GITHUB_ENTERPRISE_URL?.trim().replace(/\/+$/, '') || undefined,
	};
}

/** The D1 binding `DB`. Throws {@link LifeboatError} (500) when there is none. */
export function database(env: Environment | undefined): D1Database {
	if (env?.DB) return env.DB;
	throw missing('The database binding DB is missing.', {
		code: 'db_binding_missing',
		hint: 'Add a [[d1_databases]] entry with binding = "DB" to wrangler.toml and deploy again.',
	});
}

/** The D1 binding `DRILL_DB`. Throws `drill_database_missing` (409) when there is none. */
export function drillDatabase(env: Environment | undefined): D1Database {
	if (env?.DRILL_DB) return env.DRILL_DB;
	throw new LifeboatError('There is no database to drill in.', {
		code: 'drill_database_missing',
		status: 409,
		hint: 'Add a [[d1_databases]] entry with binding = "DRILL_DB" and an empty database to wrangler.toml and deploy again, or drill elsewhere with `npm run drill`.',
	});
}

function bucket(env: Environment | undefined): R2Bucket {
	if (env?.MY_BUCKET) return env.MY_BUCKET;
	throw missing('The bucket binding MY_BUCKET is missing.', {
		code: 'bucket_binding_missing',
		hint: 'Add an [[r2_buckets]] entry with binding = "MY_BUCKET" to wrangler.toml and deploy again.',
	});
}

type TextName = 'TOTP_SECRET' | 'AUTH_SECRET' | 'GITHUB_ID' | 'GITHUB_SECRET';

function text(env: Environment | undefined, name: TextName, how: string): string {
	const value = env?.[name]?.trim();
	if (value) return value;
	throw missing(`The setting ${name} is missing.`, {
		code: `${name.toLowerCase()}_missing`,
		hint: `${how}, then set it with \`npx wrangler pages secret put ${name}\` (locally: in .env).`,
	});
}

function missing(message: string, details: { code: string; hint: string }): LifeboatError {
	return new LifeboatError(message, { status: 500, ...details });
}
