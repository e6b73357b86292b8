import { styleText } from 'node:util';
import { renderUnicodeCompact } from 'uqr';

/** Light modules around the QR code: ISO/IEC 18004. */
const QUIET_ZONE = 4;

/** Prints a TOTP secret as a QR code for authenticator apps, and as the address in it. */
export function showSecret(secret: string): void {
	const uri = keyUri(secret);
	console.log('Scan this with an authenticator app, or enter the address below:\n');
	console.log(`${qrCode(uri)}\n\n${uri}\n`);
}

/**
 * The address that authenticator apps read: Google Authenticator's "Key Uri Format". Several apps
 * ignore algorithm, digits and period, so these are the values that those apps assume.
 */
function keyUri(secret: string): string {
	const symbols = secret.replace(/[\s=-]/g, '').toUpperCase();
	const parameters = `secret=${symbols}&issuer=Lifeboat&algorithm=SHA1&digits=6&period=30`;
	return `otpauth://totp/Lifeboat:backup?${parameters}`;
}

/** Light on dark in every terminal: on a light background the code would be inverted. */
function qrCode(text: string): string {
	const lines = renderUnicodeCompact(text, { border: QUIET_ZONE }).split('\n');
	return lines.map((line) => styleText(['whiteBright', 'bgBlack'], line)).join('\n');
}
