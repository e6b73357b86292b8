import type { TOTP } from '../../totp.js';
import { LifeboatError } from '../errors.ts';

/** Milliseconds for which a code stands: the 30 seconds of {@link TOTP}. */
const STEP_MS = 30_000;

const HOW_TO_SEND =
	'Send "Authorization: Bearer <code>", the line that `node genTotp.js --headers` prints.';

/** The generators of valid codes. */
export interface CodeSecrets {
	totp: TOTP;
	/** Its codes are accepted with a warning. */
	previous: TOTP | null;
}

/** A valid code, of either form. */
export interface Code {
	/**
	 * Identifies the code without revealing it: the secret's name and the step since 1970. Both forms
	 * of a step have the same, so that using up one uses up the other.
	 */
	id: string;
	/** Whether it is a code of TOTP_SECRET_PREVIOUS. */
	previous: boolean;
	/** When it stops being valid, in milliseconds since 1970. */
	until: number;
}

/**
 * The credentials of `Authorization: Bearer`: null without that header, empty if it holds anything
 * else. Two headers arrive as one, joined by a comma, which is not valid either.
 */
export function bearerOf({ headers }: Request): string | null {
	const authorization = headers.get('Authorization');
	if (authorization === null) return null;
	return /^Bearer +([\w.~+/=-]+)$/i.exec(authorization)?.[1] ?? '';
}

/**
 * The code that a text is now, or was or will be one step away (RFC 6238, section 5.2), by either
 * secret; null if it is not valid. `now` is in milliseconds since 1970.
 */
export async function matchCode(
	{ totp, previous }: CodeSecrets,
	text: string,
	now: number,
): Promise<Code | null> {
	const current = await totp.match(text, now);
	if (current !== null) return codeOf('current', current);
	const old = (await previous?.match(text, now)) ?? null;
	return old === null ? null : codeOf('previous', old);
}

/** Seconds until there is another code. */
export function secondsToNextCode(now: number): number {
	return Math.ceil((STEP_MS - (now % STEP_MS)) / 1000);
}

/** `code_missing` (401). */
export function codeMissing(): LifeboatError {
	return refused('code_missing', 'This call needs a code.', HOW_TO_SEND);
}

/** `code_invalid` (401). */
export function codeInvalid(): LifeboatError {
	const hint = `Check TOTP_SECRET and the clock. ${HOW_TO_SEND}`;
	return refused('code_invalid', 'The code is not valid, or no longer valid.', hint);
}

function codeOf(secret: 'current' | 'previous', step: number): Code {
	return {
		id: `${secret}-${step}`,
		previous: secret === 'previous',
		until: (step + 2) * STEP_MS, // its own step, and the one after it
	};
}

function refused(code: string, message: string, hint: string): LifeboatError {
	return new LifeboatError(message, { code, status: 401, hint });
}
