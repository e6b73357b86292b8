import type { D1Database, R2Bucket } from '@cloudflare/workers-types';
import { TOTP, TotpError } from '../totp.js';
import { LifeboatError } from './errors.ts';

/** Bindings and settings as the platform provides them, unchecked. `.env.example` documents each. */
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
	BACKUP_OIDC_WORKFLOW?: string;
	BACKUP_OIDC_ENVIRONMENT?: string;
	BACKUP_OIDC_FETCH?: string;
	BACKUP_OIDC_ISSUER?: string;
	BACKUP_ORIGIN?: string;
	BACKUP_ALLOW_PREVIEW?: string;
	BACKUP_MAC_KEY?: string;
	BACKUP_MAC_KEY_PREVIOUS?: string;
	BACKUP_MAC_KEY_PREVIOUS_UNTIL?: string;
	BACKUP_PLAN?: string;
	BACKUP_STAGE_MAX_MB?: string;
	BACKUP_COMPRESSION?: string;
	BACKUP_AGE_RECIPIENTS?: string;
	BACKUP_MAX_AGE_HOURS?: string;
	BACKUP_JOURNAL_DAYS?: string;
	ALERT_WEBHOOK_URL?: string;
	ALERT_SIZE_FACTOR?: string;
	HEALTHCHECK_PING_URL?: string;
}

/** An environment as the readers see it: one that may have the setting `Name`. */
type Settings<Name extends string> = { [name in Name]?: string } | undefined;

/** Characters: 128 bits if each of them is hexadecimal. */
const MIN_SECRET_LENGTH = 32;

/** The D1 binding `DB`. Throws `db_binding_missing` (500). */
export function database(env: Environment | undefined): D1Database {
	if (env?.DB) return env.DB;
	throw new LifeboatError('The database binding DB is missing.', {
		code: 'db_binding_missing',
		status: 500,
		hint: 'Add a [[d1_databases]] entry with binding = "DB" to wrangler.toml and deploy again.',
	});
}

/** The D1 binding `DRILL_DB`. Throws `drill_database_missing` (409). */
export function drillDatabase(env: Environment | undefined): D1Database {
	if (env?.DRILL_DB) return env.DRILL_DB;
	throw new LifeboatError('The app has no database for drills.', {
		code: 'drill_database_missing',
		status: 409,
		hint: 'Add a [[d1_databases]] entry with binding = "DRILL_DB" and an empty database to wrangler.toml and deploy again, or drill elsewhere with `npm run drill`.',
	});
}

/** The R2 binding `MY_BUCKET`. Throws `bucket_binding_missing` (500). */
export function bucket(env: Environment | undefined): R2Bucket {
	if (env?.MY_BUCKET) return env.MY_BUCKET;
	throw new LifeboatError('The bucket binding MY_BUCKET is missing.', {
		code: 'bucket_binding_missing',
		status: 500,
		hint: 'Add an [[r2_buckets]] entry with binding = "MY_BUCKET" to wrangler.toml and deploy again.',
	});
}

/** A setting without white space around it; null if it is missing or empty. */
export function text<Name extends string>(env: Settings<Name>, name: Name): string | null {
	return env?.[name]?.trim() || null;
}

/**
 * A setting that must be there; `how` tells how to get a value. Throws `<name>_missing` (500), as in
 * `totp_secret_missing`.
 */
export function required<Name extends string>(
	env: Settings<Name>,
	name: Name,
	how: string,
): string {
	const value = text(env, name);
	if (value !== null) return value;
	throw new LifeboatError(`The setting ${name} is missing.`, {
		code: `${name.toLowerCase()}_missing`,
		status: 500,
		hint: `${how}, then set it with \`npx wrangler pages secret put ${name}\` (locally: in .env).`,
	});
}

/** The words of a setting, separated by white space or commas. */
export function list<Name extends string>(env: Settings<Name>, name: Name): string[] {
	return (
		text(env, name)
			?.split(/[\s,]+/)
			.filter((word) => word !== '') ?? []
	);
}

/** One of a few words, in any case; the first one is the default. Throws `<name>_invalid` (500). */
export function choice<Name extends string, Word extends string>(
	env: Settings<Name>,
	name: Name,
	words: readonly [Word, ...Word[]],
): Word {
	const [usual] = words;
	const value = text(env, name)?.toLowerCase();
	if (value === undefined) return usual;
	const word = words.find((one) => one === value);
	if (word !== undefined) return word;
	throw invalidSetting(
		name,
		`Set it to ${words.join(' or ')}, or remove it: the default is ${usual}.`,
	);
}

/** A positive decimal number for which `fits` holds; `what` describes it. Throws `<name>_invalid` (500). */
export function number<Name extends string>(
	env: Settings<Name>,
	name: Name,
	{ usual, fits, what }: { usual: number; fits: (value: number) => boolean; what: string },
): number {
	const value = text(env, name);
	if (value === null) return usual;
	if (/^\d{1,6}(\.\d{1,6})?$/.test(value) && fits(Number(value))) return Number(value);
	throw invalidSetting(name, `Set it to ${what}, or remove it: the default is ${usual}.`);
}

/**
 * An https address, or an http address of this machine; null if it is not set. Throws
 * `<name>_invalid` (500).
 */
export function address<Name extends string>(
	env: Settings<Name>,
	name: Name,
	hint = 'Set it to an https address, or remove it.',
): URL | null {
	const value = text(env, name);
	if (value === null) return null;
	const url = URL.canParse(value) ? new URL(value) : null;
	if (url?.protocol === 'https:') return url;
	if (url?.protocol === 'http:' && isLoopback(url.hostname)) return url;
	throw invalidSetting(name, hint);
}

/** Whether the host name of a URL is one of this machine. */
export function isLoopback(hostname: string): boolean {
	return ['localhost', '127.0.0.1', '[::1]'].includes(hostname);
}

/** A random key of at least 32 characters; null if it is not set. Throws `<name>_too_short` (500). */
export function secret<Name extends string>(env: Settings<Name>, name: Name): string | null {
	const value = text(env, name);
	if (value === null || value.length >= MIN_SECRET_LENGTH) return value;
	throw new LifeboatError(`The setting ${name} is too short.`, {
		code: `${name.toLowerCase()}_too_short`,
		status: 500,
		hint: `It needs at least ${MIN_SECRET_LENGTH} random characters: generate them with \`openssl rand -hex 32\`.`,
	});
}

export type TotpSecretName = 'TOTP_SECRET' | 'TOTP_SECRET_PREVIOUS';

/**
 * The generator of a secret's codes. Throws {@link LifeboatError} (500): the code of
 * {@link TotpError} for TOTP_SECRET, else `totp_secret_previous_invalid`.
 */
export function totpOf(secret: string, name: TotpSecretName): TOTP {
	try {
		return new TOTP(secret);
	} catch (error) {
		if (!(error instanceof TotpError)) throw error;
		const isPrevious = name === 'TOTP_SECRET_PREVIOUS';
		throw new LifeboatError(`The setting ${name} is not a valid secret.`, {
			code: isPrevious ? 'totp_secret_previous_invalid' : error.code,
			status: 500,
			hint: isPrevious ? 'Set it to the old TOTP_SECRET, or remove it.' : error.message,
			cause: error,
		});
	}
}

/** `<name>_invalid` (500). The message must never quote the value: it may be a secret. */
export function invalidSetting(
	name: string,
	hint: string,
	message = `The setting ${name} is not valid.`,
	cause?: unknown,
): LifeboatError {
	return new LifeboatError(message, {
		code: `${name.toLowerCase()}_invalid`,
		status: 500,
		hint,
		cause,
	});
}
