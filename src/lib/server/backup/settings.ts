import {
	bucket,
	choice,
	database,
	type Environment,
	invalidSetting,
	list,
	number,
	placeOf,
	required,
	secret,
	text,
	totpOf,
	type TotpSecretName,
} from '../environment.ts';
import { TOTP, TotpError } from '../../totp.js';
import { LifeboatError } from '../errors.ts';
import type { D1Database, R2Bucket } from '../platform.ts';
import { sleep } from '../retry.ts';
import { SLICE_SIZES } from './dump/bounds.ts';
import type { Budget, Engine } from './engine.ts';
import { COMPRESSIONS } from './format/names.ts';
import { type BackupKey, deriveKey } from './format/signature.ts';
import { BUDGETS } from './make/budget.ts';
import { recipientKind } from './storage/age-keys.ts';
import type { Encoding } from './storage/codec.ts';
import { prefixed } from './storage/prefixed.ts';
import { requireZstd } from './storage/zstd.ts';

/** The settings that {@link backupKeys} reads. */
export const BACKUP_SECRETS = [
	'TOTP_SECRET',
	'TOTP_SECRET_PREVIOUS',
	'BACKUP_MAC_KEY',
	'BACKUP_MAC_KEY_PREVIOUS',
	'BACKUP_MAC_KEY_PREVIOUS_UNTIL',
] as const;
export type BackupSecrets = Pick<Environment, (typeof BACKUP_SECRETS)[number] | 'place'>;

/** The settings that every call of the backup API needs. */
export interface BackupSettings {
	database: D1Database;
	/** The part of the bucket that belongs to the database. */
	bucket: R2Bucket;
	totpSecret: string;
}

/**
 * Throws LifeboatError (500): `totp_secret_missing`, `db_binding_missing`, `bucket_binding_missing`.
 */
export function backupSettings(env: Environment | undefined): BackupSettings {
	return {
		totpSecret: required(env, 'TOTP_SECRET', 'Run `npm run setup` to make one'),
		database: database(env),
		bucket: prefixed(bucket(env), placeOf(env).prefix),
	};
}

/** The engine on the app's bindings. Throws LifeboatError (500) if a setting is missing or not valid. */
export function engineOf(env: Environment | undefined): Engine {
	const { database, bucket } = backupSettings(env);
	const keys = backupKeys(env);
	return {
		database,
		name: placeOf(env).database,
		bucket,
		encoding: backupEncoding(env),
		signer: keys[0] ?? null,
		keys,
		budget: backupBudget(env),
		fullDays: fullDays(env),
		sliceSizes: SLICE_SIZES,
		stageMaxBytes: stageMaxBytes(env),
		warnings: storageWarnings(env),
		now: Date.now,
		sleep,
	};
}

/**
 * How volumes are stored. Throws LifeboatError (500): `backup_compression_invalid`,
 * `zstd_unavailable`, `backup_age_recipients_invalid`, `backup_age_recipients_mixed`.
 */
export function backupEncoding(env: Environment | undefined): Encoding {
	const compression = choice(env, 'BACKUP_COMPRESSION', COMPRESSIONS);
	if (compression === 'zstd') requireZstd();
	return { compression, recipients: ageRecipients(env) };
}

const UNENCRYPTED =
	'The backup is not encrypted, because BACKUP_AGE_RECIPIENTS is not set: `npm run setup` makes the key, and docs/deploy.md says how to set it.';

/** What an app should say with each backup about the way it stores them. */
export function storageWarnings(env: Environment | undefined): string[] {
	return text(env, 'BACKUP_AGE_RECIPIENTS') === null ? [UNENCRYPTED] : [];
}

/** What one call may use. Throws `backup_plan_invalid` (500). */
export function backupBudget(env: Environment | undefined): Budget {
	return BUDGETS[choice(env, 'BACKUP_PLAN', ['free', 'paid'])];
}

/** How manifests from before databases had names know the only one, which is the first one now. */
const UNNAMED = 'DB';

/** A date, or a date and a time, in UTC (ISO 8601). */
const UTC_TIME = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,3})?)?Z)?$/;

/** Megabytes of the largest database that is staged, if BACKUP_STAGE_MAX_MB is not set. */
const STAGE_MAX_MB = 100;

/** Days for which a full backup is the parent of differentials, if BACKUP_FULL_DAYS is not set. */
const FULL_DAYS = 7;

/** Days for which a full backup is the parent of differentials. Throws `backup_full_days_invalid` (500). */
export function fullDays(env: Environment | undefined): number {
	return number(env, 'BACKUP_FULL_DAYS', {
		usual: FULL_DAYS,
		fits: (value) => value <= 366,
		what: 'days, at most 366, or 0 to make full backups only',
	});
}

function stageMaxBytes(env: Environment | undefined): number {
	const megabytes = number(env, 'BACKUP_STAGE_MAX_MB', {
		usual: STAGE_MAX_MB,
		fits: (value) => value <= 10_000,
		what: 'megabytes, at most 10000, or 0 to never stage a database',
	});
	return megabytes * 1_000_000;
}

/**
 * The keys of manifests and proofs, first the one that signs. With BACKUP_MAC_KEY they come from that
 * and from BACKUP_MAC_KEY_PREVIOUS; the TOTP secrets count for nothing then, because phones and GitHub
 * know them too. Without it they come from TOTP_SECRET and TOTP_SECRET_PREVIOUS. Empty if no secret is
 * set.
 *
 * Throws LifeboatError (500): `backup_mac_key_too_short`, `backup_mac_key_previous_too_short`,
 * `backup_mac_key_previous_until_missing`, `backup_mac_key_previous_until_invalid`,
 * `totp_secret_previous_invalid`, and the code of an invalid TOTP_SECRET.
 */
export function backupKeys(env: BackupSecrets | undefined): BackupKey[] {
	const macKey = secret(env, 'BACKUP_MAC_KEY');
	const secrets =
		macKey === null
			? [totpBytes(env, 'TOTP_SECRET'), totpBytes(env, 'TOTP_SECRET_PREVIOUS')]
			: [new TextEncoder().encode(macKey)];
	const keys = secrets.filter((bytes) => bytes !== null).map((bytes) => deriveKey(bytes));
	const databases = namesOf(env);
	return [...keys, ...previousMacKeys(env)].map((key) => ({ ...key, databases }));
}

/** The names by which manifests know the database of a call; undefined if they may know any. */
function namesOf(env: BackupSecrets | undefined): string[] | undefined {
	if (!env?.place) return undefined;
	const { database, prefix } = env.place;
	return prefix === '' ? [database, UNNAMED] : [database];
}

/**
 * The keys of BACKUP_MAC_KEY_PREVIOUS, with their end. It may be a TOTP secret, which signed before
 * there was a MAC key: its bytes are those that it encodes.
 */
function previousMacKeys(env: BackupSecrets | undefined): BackupKey[] {
	const name = 'BACKUP_MAC_KEY_PREVIOUS';
	const value = text(env, name);
	if (value === null) return [];
	const until = endOfPreviousKey(env);
	const encoded = isTotpSecret(value) ? [new TOTP(value).base32ToUint8Array(value)] : [];
	if (encoded.length === 0) secret(env, name); // a MAC key: throws if it was cut off
	const readings = [...encoded, new TextEncoder().encode(value)];
	return readings.map((bytes) => ({ ...deriveKey(bytes), until }));
}

/** Milliseconds since 1970. */
function endOfPreviousKey(env: BackupSecrets | undefined): number {
	const name = 'BACKUP_MAC_KEY_PREVIOUS_UNTIL';
	const value = required(env, name, 'Choose the time from which the previous key no longer counts');
	const until = UTC_TIME.test(value) ? Date.parse(value) : NaN;
	if (!Number.isNaN(until)) return until;
	throw invalidSetting(name, 'Set it to a time in UTC, as in 2026-12-01T00:00:00Z.');
}

function isTotpSecret(value: string): boolean {
	try {
		new TOTP(value);
		return true;
	} catch (error) {
		if (error instanceof TotpError) return false;
		throw error;
	}
}

/** The bytes of a TOTP secret, which may be written in several ways; null if it is not set. */
function totpBytes(env: BackupSecrets | undefined, name: TotpSecretName): Uint8Array | null {
	const base32 = text(env, name);
	return base32 === null ? null : totpOf(base32, name).base32ToUint8Array(base32);
}

/** The age public keys of BACKUP_AGE_RECIPIENTS, all of one kind. */
function ageRecipients(env: Environment | undefined): string[] {
	const words = list(env, 'BACKUP_AGE_RECIPIENTS');
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

function badRecipient(number: number, word: string, cause: unknown): LifeboatError {
	const isSecret = word.toUpperCase().startsWith('AGE-SECRET-KEY-');
	const found = isSecret ? 'a secret key' : 'not an age public key';
	const hint = isSecret
		? 'A secret key must never be on a server: make a new one with `npm run setup`, and set BACKUP_AGE_RECIPIENTS to its public key, age1….'
		: 'Set it to public keys, age1… or age1pq1…: `npm run setup` makes one, and `age-keygen -y FILE` prints that of an identity.';
	const message = `Entry ${number} in BACKUP_AGE_RECIPIENTS is ${found}.`;
	return invalidSetting('BACKUP_AGE_RECIPIENTS', hint, message, cause);
}

function mixedRecipients(): LifeboatError {
	return new LifeboatError(
		'BACKUP_AGE_RECIPIENTS mixes post-quantum keys with others, which makes a backup only as safe as the weaker kind.',
		{
			code: 'backup_age_recipients_mixed',
			status: 500,
			hint: 'Use age1pq1… for all of them, or age1… for all.',
		},
	);
}
