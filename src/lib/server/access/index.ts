import { LifeboatError } from '../errors.ts';
import { networkOf, requireAllowed } from './addresses.ts';
import {
	bearerOf,
	type Code,
	codeInvalid,
	codeMissing,
	matchCode,
	secondsToNextCode,
} from './code.ts';
import { requireKey } from './key.ts';
import { judge } from './lockout.ts';
import { useUp } from './once.ts';
import { type AccessSettings, lockoutScope } from './settings.ts';
import { type CheckedToken, checkToken, looksLikeToken } from './token.ts';

/** Somebody who may call. */
export interface Caller {
	kind: 'code' | 'token';
	/** Whether the code is one of TOTP_SECRET_PREVIOUS. */
	previous: boolean;
	/** Whether the code came in its long form, which nobody can guess. */
	long: boolean;
	/**
	 * Uses up the code, so that it cannot start anything else. Throws `code_spent` (401) if it was
	 * used before.
	 */
	spend(): Promise<void>;
}

/**
 * Admits a request from an allowed address that carries a current code of either form, and the API key
 * if there is one, or a token of GitHub Actions. Each token is accepted once. Six digits can be locked
 * out; long codes and tokens cannot. Accesses neither the database nor a backup.
 *
 * Throws LifeboatError: `address_not_allowed` (403); `api_key_missing`, `api_key_invalid`,
 * `code_missing`, `code_invalid`, `token_spent` (401); `throttled`, `access_locked` (429); and what
 * {@link checkToken} throws.
 */
export async function admit(
	settings: AccessSettings,
	request: Request,
	address: string,
	now: number,
): Promise<Caller> {
	requireAllowed(settings.addresses, address);
	const bearer = bearerOf(request);
	if (settings.token && bearer !== null && looksLikeToken(bearer)) {
		return admitToken(settings, await checkToken(bearer, settings.token, now), now);
	}
	if (settings.apiKey) requireKey(request, settings.apiKey);
	if (bearer === null) throw codeMissing();
	return admitCode(settings, bearer, networkOf(address), now);
}

/**
 * Requires a code. A token shows that a workflow runs, not that a person decides. Throws
 * `token_may_not_remove` (403).
 */
export function requireCode({ kind }: Caller): void {
	if (kind === 'code') return;
	throw new LifeboatError('A token can neither remove backups nor decide which of them stay.', {
		code: 'token_may_not_remove',
		status: 403,
		hint: 'Nothing was changed. Send a code instead, as `npx lifeboat prune` does. A workflow may make a dry run.',
	});
}

/**
 * Admits a person whom the app has let in, by a code that they have typed, of either form. It counts for the
 * lockout like one that a call sends; the session stands for the API key. Throws `address_not_allowed` (403),
 * `code_missing`, `code_invalid` (401), `throttled`, `access_locked` (429).
 */
export async function admitTyped(
	settings: AccessSettings,
	typed: string,
	{ address, now }: { address: string; now: number },
): Promise<Caller> {
	requireAllowed(settings.addresses, address);
	const code = typed.replace(/\s+/g, ''); // authenticators print two groups of three digits
	if (code === '') throw codeMissing();
	return admitCode(settings, code, networkOf(address), now);
}

async function admitToken(
	{ bucket }: AccessSettings,
	{ id, until }: CheckedToken,
	now: number,
): Promise<Caller> {
	if (!(await useUp(bucket, { id: `token-${id}`, until }, now))) throw tokenSpent();
	return { kind: 'token', previous: false, long: false, async spend() {} };
}

async function admitCode(
	settings: AccessSettings,
	text: string,
	network: string,
	now: number,
): Promise<Caller> {
	const { bucket, totp } = settings;
	const code = await checkCode(settings, text, network, now);
	return {
		kind: 'code',
		previous: code.previous,
		long: totp.isLongCode(text),
		async spend() {
			if (!(await useUp(bucket, code, now))) throw codeSpent(now);
		},
	};
}

/**
 * Only six digits can be guessed. The lockout leaves every other text alone: it neither counts a wrong
 * long code nor refuses a right one.
 */
async function checkCode(
	settings: AccessSettings,
	text: string,
	network: string,
	now: number,
): Promise<Code> {
	const { bucket, totp } = settings;
	const code = await matchCode(settings, text, now);
	const isGuess = totp.isCode(text);
	if (isGuess) return judge({ bucket, scope: lockoutScope(settings), now }, network, code);
	if (code === null) throw codeInvalid();
	return code;
}

function codeSpent(now: number): LifeboatError {
	return new LifeboatError('This code was already used.', {
		code: 'code_spent',
		status: 401,
		hint: 'Nothing was started. Use the next code: there is a new one every 30 seconds.',
		retryAfter: secondsToNextCode(now),
	});
}

function tokenSpent(): LifeboatError {
	return new LifeboatError('This token was already used.', {
		code: 'token_spent',
		status: 401,
		hint: 'Request a new token from GitHub for each call.',
	});
}
