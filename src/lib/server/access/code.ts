import { LifeboatError } from '../errors.ts';
import { TOTP, TotpError } from '../../totp.js';

/**
 * Lets a request pass that carries `Authorization: Bearer <code>` with a code of this moment, or
 * of the step before or after it.
 *
 * Throws `code_missing` or `code_invalid` (401), and the TOTP secret's own code (500) when the
 * secret is no good.
 */
export async function requireCode(request: Request, secret: string, now: number): Promise<void> {
	const totp = readSecret(secret);
	const authorization = request.headers.get('Authorization');
	if (authorization === null) throw unauthorized('code_missing', 'This call needs a code.');
	// Two headers arrive as one, joined by a comma, and are no code.
	const [, code = ''] = /^Bearer +(\d+)$/i.exec(authorization) ?? [];
	if (await totp.verify(code, now)) return;
	throw unauthorized('code_invalid', 'The code is not valid, or not valid any more.');
}

function readSecret(secret: string): TOTP {
	try {
		return new TOTP(secret);
	} catch (error) {
		if (!(error instanceof TotpError)) throw error;
		throw new LifeboatError('The setting TOTP_SECRET is no good secret.', {
			code: error.code,
			status: 500,
			hint: error.message,
			cause: error,
		});
	}
}

function unauthorized(code: string, message: string): LifeboatError {
	return new LifeboatError(message, {
		code,
		status: 401,
		hint: 'Send "Authorization: Bearer <code>" with the code that `node genTotp.js` prints.',
	});
}
