import type { D1Database, R2Bucket } from '@cloudflare/workers-types';
import { TOTP, TotpError } from '../totp.js';
import { LifeboatError } from './errors.ts';

/** What `.env.example` documents, as the platform hands it over: nothing here is checked yet. */
export interface Environment {
	DB?: D1Database;
	MY_BUCKET?: R2Bucket;
	DRILL_DB?: D1Database;
	MY_LOGS_BUCKET?: R2Bucket;
	TOTP_SECRET?: string;
	TOTP_SECRET_PREVIOUS?: string;
	BACKUP_API_KEY?: string;
	BACKUP_ALLOWED_IPS?: string;
	BACKUP_OIDC_REPOSITORY_ID?: string;
	BACKUP_OIDC_AUDIENCE?: string;
	BACKUP_OIDC_REF?: string;
	BACKUP_OIDC_ISSUER?: string;
	BACKUP_ALLOW_PREVIEW?: string;
	BACKUP_MAC_KEY?: string;
	BACKUP_PLAN?: string;
	BACKUP_COMPRESSION?: string;
	BACKUP_AGE_RECIPIENTS?: string;
	BACKUP_MAX_AGE_HOURS?: string;
	BACKUP_JOURNAL_DAYS?: string;
	ALERT_WEBHOOK_URL?: string;
	ALERT_SIZE_FACTOR?: string;
	HEALTHCHECK_PING_URL?: string;
}

export type SecretName = 'TOTP_SECRET' | 'TOTP_SECRET_PREVIOUS';

/**
 * What makes the codes of a secret. Throws {@link LifeboatError} (500): the code of a bad TOTP_SECRET, or
 * `totp_secret_previous_invalid`.
 */
export function totpOf(secret: string, name: SecretName): TOTP {
	try {
		return new TOTP(secret);
	} catch (error) {
		if (!(error instanceof TotpError)) throw error;
		const isPrevious = name === 'TOTP_SECRET_PREVIOUS';
		throw new LifeboatError(`The setting ${name} is no good secret.`, {
			code: isPrevious ? 'totp_secret_previous_invalid' : error.code,
			status: 500,
			hint: isPrevious ? 'Set it to the old TOTP_SECRET, or remove it.' : error.message,
			cause: error,
		});
	}
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

/** The R2 binding `MY_BUCKET`. Throws {@link LifeboatError} (500) when there is none. */
export function bucket(env: Environment | undefined): R2Bucket {
	if (env?.MY_BUCKET) return env.MY_BUCKET;
	throw missing('The bucket binding MY_BUCKET is missing.', {
		code: 'bucket_binding_missing',
		hint: 'Add an [[r2_buckets]] entry with binding = "MY_BUCKET" to wrangler.toml and deploy again.',
	});
}

/** A setting that has to be there. Throws {@link LifeboatError} (500) that names it, and `how` to get one. */
export function text<Name extends string>(
	env: { [name in Name]?: string } | undefined,
	name: Name,
	how: string,
): string {
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
