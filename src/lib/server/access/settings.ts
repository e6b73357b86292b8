import type { R2Bucket } from '@cloudflare/workers-types';
import type { TOTP } from '../../totp.js';
import { type Environment, totpOf } from '../environment.ts';
import { backupSettings } from '../backup/settings.ts';
import { LifeboatError } from '../errors.ts';
import { allowedAddresses, type AddressRange } from './addresses.ts';
import type { Guessers } from './lockout.ts';
import { tokenSettings, type TokenSettings } from './token.ts';

/** Characters: 128 bits, were each of them hexadecimal. */
const MIN_API_KEY_LENGTH = 32;

/** What decides who may call the backup API. */
export interface AccessSettings {
	bucket: R2Bucket;
	/** Makes the codes that are good. */
	totp: TOTP;
	/** Makes codes that are good with a warning. */
	previous: TOTP | null;
	apiKey: string | null;
	/** Null for all. */
	addresses: AddressRange[] | null;
	/** Null where no tokens are taken. */
	token: TokenSettings | null;
}

/**
 * The settings of access. Throws {@link LifeboatError} (500) that names what is missing or wrong: the
 * codes of a bad TOTP_SECRET, `totp_secret_previous_invalid`, `backup_api_key_too_short`, and what
 * {@link allowedAddresses} and {@link tokenSettings} throw.
 */
export function accessSettings(env: Environment | undefined): AccessSettings {
	const { totpSecret, bucket } = backupSettings(env);
	return {
		bucket,
		totp: totpOf(totpSecret, 'TOTP_SECRET'),
		previous: previousTotp(env),
		apiKey: apiKey(env),
		addresses: allowedAddresses(env),
		token: tokenSettings(env),
	};
}

/** Whose wrong codes count together: with an API key, those alone who have it come as far as the code. */
export function guessersOf({ apiKey }: Pick<AccessSettings, 'apiKey'>): Guessers {
	return apiKey === null ? 'anyone' : 'keyed';
}

function previousTotp(env: Environment | undefined): TOTP | null {
	const secret = env?.TOTP_SECRET_PREVIOUS?.trim();
	return secret ? totpOf(secret, 'TOTP_SECRET_PREVIOUS') : null;
}

function apiKey(env: Environment | undefined): string | null {
	const key = env?.BACKUP_API_KEY?.trim();
	if (!key) return null;
	if (key.length >= MIN_API_KEY_LENGTH) return key;
	throw new LifeboatError('The setting BACKUP_API_KEY is too short.', {
		code: 'backup_api_key_too_short',
		status: 500,
		hint: `It needs ${MIN_API_KEY_LENGTH} random characters: \`openssl rand -hex 32\` prints such.`,
	});
}
