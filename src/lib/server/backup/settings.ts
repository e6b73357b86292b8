import type { D1Database, R2Bucket } from '@cloudflare/workers-types';
import {
	bucket,
	database,
	type Environment,
	type SecretName,
	text,
	totpOf,
} from '../environment.ts';
import { LifeboatError } from '../errors.ts';
import type { Budget, Engine } from './engine.ts';
import { type BackupKey, deriveKey } from './format/signature.ts';
import { BUDGETS } from './make/budget.ts';
import { recipientKind } from './storage/age.ts';
import type { Encoding } from './storage/codec.ts';

/** Characters: 128 bits, were each of them hexadecimal. */
const MIN_MAC_KEY_LENGTH = 32;

/** The settings that {@link backupKeys} reads. */
export type BackupSecrets = Pick<
	Environment,
	'TOTP_SECRET' | 'TOTP_SECRET_PREVIOUS' | 'BACKUP_MAC_KEY'
>;

/** What a backup call needs. */
export interface BackupSettings {
	database: D1Database;
	bucket: R2Bucket;
	totpSecret: string;
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

/** The engine, with the clock of the platform. Throws what its settings are wrong for. */
export function engineOf(env: Environment | undefined): Engine {
	const { database, bucket } = backupSettings(env);
	return { database, bucket, keys: backupKeys(env), now: Date.now, sleep };
}

/** The same with what the making of backups needs beside. Throws as {@link engineOf} does. */
export function backupEngineOf(env: Environment | undefined): Engine {
	return { ...engineOf(env), encoding: backupEncoding(env), budget: backupBudget(env) };
}

/** Waits. */
export function sleep(milliseconds: number): Promise<void> {
	return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
