import { TOTP, TotpError } from '../totp.js';
import { LifeboatError } from './errors.ts';
import type { D1Database, R2Bucket } from './platform.ts';

/** The settings, which `.env.example` documents. */
export const SETTINGS = [
	'TOTP_SECRET',
	'TOTP_SECRET_PREVIOUS',
	'BACKUP_API_KEY',
	'BACKUP_ALLOWED_IPS',
	'BACKUP_OIDC_REPOSITORY_ID',
	'BACKUP_OIDC_AUDIENCE',
	'BACKUP_OIDC_REF',
	'BACKUP_OIDC_WORKFLOW',
	'BACKUP_OIDC_ENVIRONMENT',
	'BACKUP_OIDC_FETCH',
	'BACKUP_OIDC_ISSUER',
	'BACKUP_ORIGIN',
	'BACKUP_ALLOW_PREVIEW',
	'BACKUP_MAC_KEY',
	'BACKUP_MAC_KEY_PREVIOUS',
	'BACKUP_MAC_KEY_PREVIOUS_UNTIL',
	'BACKUP_PLAN',
	'BACKUP_STAGE_MAX_MB',
	'BACKUP_FULL_DAYS',
	'BACKUP_COMPRESSION',
	'BACKUP_AGE_RECIPIENTS',
	'BACKUP_MAX_AGE_HOURS',
	'BACKUP_KEEP_LAST',
	'BACKUP_KEEP_HOURLY',
	'BACKUP_KEEP_DAILY',
	'BACKUP_KEEP_WEEKLY',
	'BACKUP_KEEP_MONTHLY',
	'BACKUP_KEEP_YEARLY',
	'BACKUP_KEEP_WITHIN',
	'BACKUP_KEEP_MIN_DAYS',
	'BACKUP_PRUNE_MAX_PERCENT',
	'BACKUP_JOURNAL_DAYS',
	'ALERT_WEBHOOK_URL',
	'ALERT_SIZE_FACTOR',
	'HEALTHCHECK_PING_URL',
] as const;

/** Which of the app's databases `DB` is, and what the app calls its bindings. */
export interface Place {
	/** The name of the database. */
	database: string;
	/** The names of all of them, first the one that is used where none is named. */
	databases: readonly [string, ...string[]];
	/** What its keys in the bucket begin with; empty for the first one. */
	prefix: string;
	bindings: Record<'DB' | 'MY_BUCKET' | 'DRILL_DB', string>;
}

/** Bindings and settings of a call, unchecked. */
export interface Environment extends Partial<Record<(typeof SETTINGS)[number], string>> {
	/** The database that is backed up. */
	DB?: D1Database;
	/** The bucket of the app's backups, with those of every database. */
	MY_BUCKET?: R2Bucket;
	DRILL_DB?: D1Database;
	MY_LOGS_BUCKET?: R2Bucket;
	/** By default {@link ONLY}. */
	place?: Place;
	/** Whether the call named a database that the app does not have. `DB` is the first one then. */
	isUnknown?: boolean;
	/** Whether the call named all of several databases, with `*`. `DB` is the first one then. */
	isAll?: boolean;
	/** The same for another of the app's databases, by its name. */
	of?(database: string): Environment;
	/** Whether the app runs as Cloudflare Pages, else as a Worker. */
	isPages?: boolean;
}

/** The place of the database of an app that names none. */
const ONLY: Place = {
	database: 'main',
	databases: ['main'],
	prefix: '',
	bindings: { DB: 'DB', MY_BUCKET: 'MY_BUCKET', DRILL_DB: 'DRILL_DB' },
};

/** The place of the database of a call. */
export function placeOf(env: Environment | undefined): Place {
	return env?.place ?? ONLY;
}

/** The environment of another database of the app. */
export function environmentOf(env: Environment | undefined, database: string): Environment {
	return env?.of?.(database) ?? env ?? {};
}

/** An environment as the readers see it: one that may have the setting `Name`. */
type Settings<Name extends string> =
	({ [name in Name]?: string } & { isPages?: boolean }) | undefined;

/** Characters: 128 bits if each of them is hexadecimal. */
const MIN_SECRET_LENGTH = 32;

/**
 * Throws `database_unknown` (404) if the call named a database that the app does not have, or all of
 * them, unless `mayBeAll` is set.
 */
export function requireKnown(env: Environment | undefined, { mayBeAll = false } = {}): void {
	if (!env?.isUnknown && (mayBeAll || !env?.isAll)) return;
	throw new LifeboatError('The app has no database of this name.', {
		code: 'database_unknown',
		status: 404,
		hint: `Name one of: ${placeOf(env).databases.join(', ')}.`,
	});
}

/** The database that is backed up. Throws `db_binding_missing` (500). */
export function database(env: Environment | undefined): D1Database {
	if (env?.DB) return env.DB;
	const { DB } = placeOf(env).bindings;
	throw new LifeboatError(`The database binding ${DB} is missing.`, {
		code: 'db_binding_missing',
		status: 500,
		hint: `Add a [[d1_databases]] entry with binding = "${DB}" to wrangler.toml and deploy again.`,
	});
}

/** The database for drills. Throws `drill_database_missing` (409). */
export function drillDatabase(env: Environment | undefined): D1Database {
	if (env?.DRILL_DB) return env.DRILL_DB;
	const { DRILL_DB } = placeOf(env).bindings;
	throw new LifeboatError('The app has no database for drills.', {
		code: 'drill_database_missing',
		status: 409,
		hint: `Add a [[d1_databases]] entry with binding = "${DRILL_DB}" and an empty database to wrangler.toml and deploy again, or drill elsewhere with \`npm run drill\`.`,
	});
}

/** The bucket of the app's backups. Throws `bucket_binding_missing` (500). */
export function bucket(env: Environment | undefined): R2Bucket {
	if (env?.MY_BUCKET) return env.MY_BUCKET;
	const { MY_BUCKET } = placeOf(env).bindings;
	throw new LifeboatError(`The bucket binding ${MY_BUCKET} is missing.`, {
		code: 'bucket_binding_missing',
		status: 500,
		hint: `Add an [[r2_buckets]] entry with binding = "${MY_BUCKET}" to wrangler.toml and deploy again.`,
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
	const command = env?.isPages === false ? 'wrangler secret put' : 'wrangler pages secret put';
	throw new LifeboatError(`The setting ${name} is missing.`, {
		code: `${name.toLowerCase()}_missing`,
		status: 500,
		hint: `${how}, then set it with \`npx ${command} ${name}\` (locally: in .env).`,
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
