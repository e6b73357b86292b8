import { createHash, timingSafeEqual } from 'node:crypto';
import { LifeboatError } from '../errors.ts';

/**
 * Requires the API key as `X-API-Key`, compared in constant time. Throws `api_key_missing` or
 * `api_key_invalid` (401).
 */
export function requireKey({ headers }: Request, key: string): void {
	const given = headers.get('X-API-Key');
	if (given === null) throw refused('api_key_missing', 'This call needs the API key.');
	if (timingSafeEqual(hash(given), hash(key))) return;
	throw refused('api_key_invalid', 'Wrong API key.');
}

/** Equally long for every text, which the comparison requires. */
function hash(text: string): Buffer {
	return createHash('sha256').update(text).digest();
}

function refused(code: string, message: string): LifeboatError {
	return new LifeboatError(message, {
		code,
		status: 401,
		hint: 'Send "X-API-Key: <key>" with the app\'s BACKUP_API_KEY, in addition to the code.',
	});
}
