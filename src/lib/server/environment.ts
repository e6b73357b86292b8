import type { D1Database, R2Bucket } from '@cloudflare/workers-types';
import { TOTP, TotpError } from '../totp.js';
import { type Budget, BUDGETS } from './backup/make/budget.ts';
import { type BackupKey, deriveKey } from './backup/format/signature.ts';
import { recipientKind } from './backup/storage/age.ts';
import type { Encoding } from './backup/storage/codec.ts';
import { LifeboatError } from './errors.ts';

/** Characters: 128 bits, were each of them hexadecimal. */
const MIN_MAC_KEY_LENGTH = 32;

/** What `.env.example` documents, as the platform hands it over: nothing here is checked yet. */
export interface Environment {
	DB?: D1Database;
	MY_BUCKET?: R2Bucket;
	DRILL_DB?: D1Database;
	MY_LOGS_BUCKET?: R2Bucket;
	TOTP_SECRET?: string;
	TOTP_SECRET_PREVIOUS?: string;
	AUTH_SECRET?: string;
	GITHUB_ID?: string;
	GITHUB_SECRET?: string;
	GITHUB_ENTERPRISE_URL?: string;
	BACKUP_ADMINS?: string;
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

/** The settings that {@link backupKeys} reads. */
export type BackupSecrets = Pick<
	Environment,
	'TOTP_SECRET' | 'TOTP_SECRET_PREVIOUS' | 'BACKUP_MAC_KEY'
>;

type SecretName = 'TOTP_SECRET' | 'TOTP_SECRET_PREVIOUS';

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

/**
 * How backups are stored. Throws {@link LifeboatError} (500): `backup_compression_invalid`,
 * `backup_age_recipients_invalid`, `backup_age_recipients_mixed`.
 */
export function backupEncoding(env: Environment | undefined): Encoding {
	return { gzip: compression(env), recipients: ageRecipients(env) };
}

/** What one call may use up. Throws {@link LifeboatError} (500): `backup_plan_invalid`. */
export function backupBudget(env: Environment | undefined): Budget {
	const plan = env?.BACKUP_PLAN?.trim().toLowerCase() || 'free';
	if (plan === 'free' || plan === 'paid') return BUDGETS[plan];
	throw new LifeboatError('The setting BACKUP_PLAN is not understood.', {
		code: 'backup_plan_invalid',
		status: 500,
		hint: 'Set it to free or to paid, as your plan of Cloudflare is, or leave it out, which is free.',
	});
}

/**
 * The keys of manifests: that of BACKUP_MAC_KEY or else TOTP_SECRET, which signs, then that of
 * TOTP_SECRET_PREVIOUS. None where no secret is set.
 *
 * Throws {@link LifeboatError} (500): `backup_mac_key_too_short`, `totp_secret_previous_invalid`, and
 * the code of a bad TOTP_SECRET.
 */
export function backupKeys(env: BackupSecrets | undefined): BackupKey[] {
	const macKey = env?.BACKUP_MAC_KEY?.trim();
	const current = macKey ? macKeyBytes(macKey) : secretBytes(env, 'TOTP_SECRET');
	const previous = secretBytes(env, 'TOTP_SECRET_PREVIOUS');
	return [current, previous].filter((secret) => secret !== null).map(deriveKey);
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

function compression(env: Environment | undefined): boolean {
	const value = env?.BACKUP_COMPRESSION?.trim().toLowerCase() || 'gzip';
	if (value === 'gzip' || value === 'off') return value === 'gzip';
	throw new LifeboatError('The setting BACKUP_COMPRESSION is not understood.', {
		code: 'backup_compression_invalid',
		status: 500,
		hint: 'Set it to gzip or to off, or leave it out, which is gzip.',
	});
}

/** Public keys of age, separated by white space or commas; all of one kind. */
function ageRecipients(env: Environment | undefined): string[] {
	const words = env?.BACKUP_AGE_RECIPIENTS?.split(/[\s,]+/).filter((word) => word !== '') ?? [];
	const kinds = words.map((word, index) => {
		try {
			return recipientKind(word);
		} catch (cause) {
			throw badRecipient(index + 1, word, cause);
		}
	});
	if (new Set(kinds).size > 1) throw mixedRecipients();
	return [...new Set(words)];
}

function macKeyBytes(text: string): Uint8Array {
	if (text.length >= MIN_MAC_KEY_LENGTH) return new TextEncoder().encode(text);
	throw new LifeboatError('The setting BACKUP_MAC_KEY is too short.', {
		code: 'backup_mac_key_too_short',
		status: 500,
		hint: `It needs ${MIN_MAC_KEY_LENGTH} random characters: \`openssl rand -hex 32\` prints such.`,
	});
}

/** The bytes that a TOTP secret stands for, however it is written; null where it is not set. */
function secretBytes(env: BackupSecrets | undefined, name: SecretName): Uint8Array | null {
	const secret = env?.[name]?.trim();
	if (!secret) return null;
	return totpOf(secret, name).base32ToUint8Array(secret);
}

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

function badRecipient(number: number, word: string, cause: unknown): LifeboatError {
	const isSecret = word.toUpperCase().startsWith('AGE-SECRET-KEY-');
	return new LifeboatError(
		`Entry ${number} in BACKUP_AGE_RECIPIENTS is ${isSecret ? 'a secret key' : 'no public key of age'}.`,
		{
			code: 'backup_age_recipients_invalid',
			status: 500,
			hint: isSecret
				? 'It must never be on a server: make another with `npm run setup -- --encrypt`, and set BACKUP_AGE_RECIPIENTS to its public key, age1….'
				: 'Set it to public keys, age1… or age1pq1…: `npm run setup -- --encrypt` makes one, and `age-keygen -y FILE` prints that of an identity.',
			cause,
		},
	);
}

function mixedRecipients(): LifeboatError {
	return new LifeboatError(
		'BACKUP_AGE_RECIPIENTS mixes post-quantum keys with others, which leaves a backup as safe as the weaker kind.',
		{
			code: 'backup_age_recipients_mixed',
			status: 500,
			hint: 'Use age1pq1… for all of them, or age1… for all.',
		},
	);
}

function missing(message: string, details: { code: string; hint: string }): LifeboatError {
	return new LifeboatError(message, { status: 500, ...details });
}
