import { LifeboatError } from '../errors.ts';
import type { AccessSettings } from './settings.ts';

/** Milliseconds that a code stands for: `TOTP`'s own 30 seconds. */
const STEP_MS = 30_000;

/** A right code. */
export interface Code {
	/** Which one it is, without telling it: the secret's name and the step since 1970. */
	id: string;
	/** It is one of TOTP_SECRET_PREVIOUS. */
	previous: boolean;
	/** Milliseconds since 1970 at which it is not right any more. */
	until: number;
}

/**
 * What stands behind `Authorization: Bearer`: null where there is no such header, and nothing where it
 * holds something else. Two headers arrive as one, joined by a comma, and are something else.
 */
export function bearerOf({ headers }: Request): string | null {
	const authorization = headers.get('Authorization');
	if (authorization === null) return null;
	return /^Bearer +([\w.~+/=-]+)$/i.exec(authorization)?.[1] ?? '';
}

/**
 * The code that a text is at this moment, or was or will be a step away (RFC 6238, section 5.2), by
 * either secret; null when it is none.
 */
export async function matchCode(
	{ totp, previous }: Pick<AccessSettings, 'totp' | 'previous'>,
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
	return refused('code_missing', 'This call needs a code.');
}

/** `code_invalid` (401). */
export function codeInvalid(): LifeboatError {
	return refused('code_invalid', 'The code is not valid, or not valid any more.');
}

function codeOf(secret: 'current' | 'previous', step: number): Code {
	return {
		id: `${secret}-${step}`,
		previous: secret === 'previous',
		until: (step + 2) * STEP_MS, // its own step, and the one after that
	};
}

function refused(code: string, message: string): LifeboatError {
	return new LifeboatError(message, {
		code,
		status: 401,
		hint: 'Send "Authorization: Bearer <code>" with the code that `node genTotp.js` prints.',
	});
}
