// Who a caller of the backup API is. Needs Node 20 and nothing installed.
import { TOTP } from '../../lib/totp.js';
import { actionsToken } from './actions-token.js';
import { CallError } from './make-backup.js';

/** What says who a caller is: .env.example has the first three, GitHub's runner sets the last. */
export const CALLER_SETTINGS = [
	'TOTP_SECRET',
	'BACKUP_API_KEY',
	'BACKUP_OIDC_AUDIENCE',
	'ACTIONS_ID_TOKEN_REQUEST_URL',
];

/** @typedef {() => Promise<Record<string, string>>} Credentials The headers of one call. */

/**
 * Makes the headers of each call: with a fresh code and the API key where there is one; or, in a
 * workflow that is set up for it, with a fresh token of GitHub's.
 * @param {{
 *   environment: Record<string, string | undefined>,
 *   signal: AbortSignal,
 *   onSecret?: ((secret: string) => void) | undefined
 * }} options `environment` has {@link CALLER_SETTINGS}; `onSecret` gets all that no log is to have.
 * @returns {Credentials} Throws CallError: `token_unavailable`, `backup_api_key_invalid`.
 * @throws {import('../../lib/totp.js').TotpError} where it takes a code, and TOTP_SECRET makes none
 */
export function credentials({ environment, signal, onSecret = () => {} }) {
	const audience = originOf(environment['BACKUP_OIDC_AUDIENCE']);
	if (audience && environment['ACTIONS_ID_TOKEN_REQUEST_URL']) {
		return async () => {
			const token = await actionsToken(audience, signal);
			onSecret(token);
			return { Authorization: `Bearer ${token}` };
		};
	}
	const totp = new TOTP(environment['TOTP_SECRET'] ?? '');
	const key = environment['BACKUP_API_KEY']?.trim() ?? '';
	return async () => {
		const code = await totp.generateTOTP(Date.now() / 1000);
		onSecret(code);
		const header = { Authorization: `Bearer ${code}` };
		if (key === '') return header;
		onSecret(key);
		requireSendable(key);
		return { ...header, 'X-API-Key': key };
	};
}

/**
 * An origin as the app compares it.
 * @param {string | undefined} setting
 */
function originOf(setting) {
	return setting?.trim().replace(/\/$/, '') ?? '';
}

/**
 * No error of a header may repeat the key.
 * @param {string} key
 */
function requireSendable(key) {
	if (/^[ -~]+$/.test(key)) return;
	throw new CallError('BACKUP_API_KEY has characters that no header can carry.', {
		code: 'backup_api_key_invalid',
		hint: 'Set it, here and for the app, to what `openssl rand -hex 32` prints.',
	});
}
