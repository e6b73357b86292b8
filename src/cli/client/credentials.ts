import { LifeboatError } from '../../lib/server/errors.ts';
import { TOTP } from '../../lib/totp.js';
import { readSetting } from '../secrets/dotenv.ts';
import { actionsToken } from './actions-token.ts';

/** Settings by name, as the environment or `.env` has them. */
export type Settings = Record<string, string | undefined>;

/** Makes the headers of one call. Throws `token_unavailable` (503), `backup_api_key_invalid` (400). */
export type Credentials = () => Promise<Record<string, string>>;

/** Who the caller is: .env.example documents the first three, GitHub's runner sets the last. */
const CALLER_SETTINGS = [
	'TOTP_SECRET',
	'BACKUP_API_KEY',
	'BACKUP_OIDC_AUDIENCE',
	'ACTIONS_ID_TOKEN_REQUEST_URL',
];

/** The settings that {@link credentials} takes, from the environment or `.env`. */
export function callerSettings(): Settings {
	return Object.fromEntries(CALLER_SETTINGS.map((name) => [name, readSetting(name)]));
}

/**
 * Identifies the caller with a fresh long code, which no lockout stops, and the API key if there is one;
 * in a workflow that is set up for it, with a fresh GitHub token instead. `onSecret` receives everything
 * that must not appear in a log. Throws TotpError when a code is needed and TOTP_SECRET is invalid.
 */
export function credentials(
	settings: Settings,
	signal: AbortSignal,
	onSecret: (secret: string) => void = () => {},
): Credentials {
	const audience = originOf(settings['BACKUP_OIDC_AUDIENCE']);
	if (audience && settings['ACTIONS_ID_TOKEN_REQUEST_URL']) {
		return async () => {
			const token = await actionsToken(audience, signal);
			onSecret(token);
			return { Authorization: `Bearer ${token}` };
		};
	}
	const totp = new TOTP(settings['TOTP_SECRET'] ?? '');
	const key = settings['BACKUP_API_KEY']?.trim() ?? '';
	return async () => {
		const code = await totp.generateLongCode(Date.now() / 1000);
		onSecret(code);
		const header = { Authorization: `Bearer ${code}` };
		if (key === '') return header;
		onSecret(key);
		requireSendable(key);
		return { ...header, 'X-API-Key': key };
	};
}

/** An origin in the form in which the app compares it. */
function originOf(setting = ''): string {
	return setting.trim().replace(/\/$/, '');
}

/** Checked here because the error of `fetch` would quote the key. */
function requireSendable(key: string): void {
	if (/^[ -~]+$/.test(key)) return;
	throw new LifeboatError('BACKUP_API_KEY has characters that an HTTP header cannot carry.', {
		code: 'backup_api_key_invalid',
		status: 400,
		hint: 'Set it, here and for the app, to what `openssl rand -hex 32` prints.',
	});
}
