import type { TOTP } from '../../totp.js';
import { backupSettings } from '../backup/settings.ts';
import { bucket, type Environment, secret, text, totpOf } from '../environment.ts';
import type { R2Bucket } from '../platform.ts';
import { allowedAddresses, type AddressRange } from './addresses.ts';
import type { CodeSecrets } from './code.ts';
import type { LockoutScope } from './lockout.ts';
import { tokenSettings, type TokenSettings } from './token-settings.ts';

/** Who may call the backup API. */
export interface AccessSettings extends CodeSecrets {
	bucket: R2Bucket;
	apiKey: string | null;
	/** Null if every address is allowed. */
	addresses: AddressRange[] | null;
	/** Null if no tokens are accepted. */
	token: TokenSettings | null;
}

/**
 * Throws LifeboatError (500): the code of an invalid TOTP_SECRET, `totp_secret_previous_invalid`,
 * `backup_api_key_too_short`, and what {@link backupSettings}, {@link allowedAddresses} and
 * {@link tokenSettings} throw.
 */
export function accessSettings(env: Environment | undefined): AccessSettings {
	const { totpSecret } = backupSettings(env);
	return {
		bucket: bucket(env),
		totp: totpOf(totpSecret, 'TOTP_SECRET'),
		previous: previousTotp(env),
		apiKey: secret(env, 'BACKUP_API_KEY'),
		addresses: allowedAddresses(env),
		token: tokenSettings(env),
	};
}

/** Whose wrong codes are counted: if there is an API key, only callers who have it can send a code. */
export function lockoutScope({ apiKey }: Pick<AccessSettings, 'apiKey'>): LockoutScope {
	return apiKey === null ? 'anyone' : 'keyed';
}

function previousTotp(env: Environment | undefined): TOTP | null {
	const base32 = text(env, 'TOTP_SECRET_PREVIOUS');
	return base32 === null ? null : totpOf(base32, 'TOTP_SECRET_PREVIOUS');
}
