import * as v from 'valibot';
import { changeState, readState, type StateKind } from '../backup/storage/state.ts';
import { type ErrorDetails, LifeboatError } from '../errors.ts';
import type { R2Bucket } from '../platform.ts';
import { type Code, codeInvalid } from './code.ts';

const SECOND = 1000;
const DAY = 86_400 * SECOND;

/**
 * Wrong six-digit codes that are checked in any {@link WINDOW_MS}, from all senders together. Three of a million
 * codes are valid at a time, six with TOTP_SECRET_PREVIOUS, so this many guesses find one with a probability
 * of at most 0.0045 %, or 0.009 %. A limit by the hour would let a patient guesser in (RFC 4226,
 * section 7.3, asks for a limit that holds across sessions).
 */
export const MAX_WRONG = 15;
export const WINDOW_MS = 365 * DAY;

/** How long a network waits after its first wrong code of a day, its second, and so on. */
const DELAYS_MS = [1 * SECOND, 4 * SECOND, 16 * SECOND, 64 * SECOND, DAY];

/** Valid codes that are remembered with their network: enough for callers, and a bound for the object. */
const MAX_RIGHT = 50;

const Moment = v.pipe(v.number(), v.safeInteger());

const GuessesSchema = v.object({
	/** Wrong codes, oldest first. */
	wrong: v.array(v.object({ at: Moment, network: v.string() })),
	/** Valid codes that may be sent again from the same network. */
	right: v.array(v.object({ code: v.string(), network: v.string(), until: Moment })),
});
type Guesses = v.InferOutput<typeof GuessesSchema>;

/** Whose wrong codes are counted: everybody's, or only those of callers with the API key. */
export type LockoutScope = 'anyone' | 'keyed';

/** The lockout as an administrator sees it. */
export interface Lockout {
	/** Wrong codes that count, oldest first; `at` is in milliseconds since 1970. */
	wrong: { at: number; network: string }[];
	/** Milliseconds since 1970; null while codes are accepted. */
	lockedUntil: number | null;
}

/** `access_locked` (429), thrown by the guess that triggered the lockout. */
export class JustLocked extends LifeboatError {}

/**
 * Judges six digits; `code` is null if they are wrong. It is recorded before anything follows from it, so
 * that parallel calls cannot get around the limits. A valid code that comes again from the same
 * network is not recorded again.
 *
 * Throws `throttled` or `access_locked` (429) before the code is considered, `code_invalid` (401), and
 * {@link JustLocked}.
 */
export async function judge(
	{ bucket, scope, now }: { bucket: R2Bucket; scope: LockoutScope; now: number },
	network: string,
	code: Code | null,
): Promise<Code> {
	const { wrong } = await changeState(bucket, stateOf(scope), (guesses) => {
		const counted = counting(guesses.wrong, now);
		requireOpen(counted, network, now);
		if (!code) return { ...guesses, wrong: [...counted, { at: now, network }] };
		const isKnown = guesses.right.some((r) => r.code === code.id && r.network === network);
		if (isKnown) return guesses;
		const right = guesses.right.filter(({ until }) => until > now).slice(1 - MAX_RIGHT);
		const { id, until } = code;
		return { wrong: counted, right: [...right, { code: id, network, until }] };
	});
	if (code) return code;
	throw wrong.length < MAX_WRONG ? codeInvalid() : justLocked(wrong, now);
}

/** The lockout of a scope. Throws `storage_error` (500). */
export async function readLockout(
	bucket: R2Bucket,
	scope: LockoutScope,
	now: number,
): Promise<Lockout> {
	const guesses = await readState(bucket, stateOf(scope));
	const wrong = counting(guesses.wrong, now);
	return { wrong, lockedUntil: lockedUntil(wrong) };
}

/** Ends a lockout by forgetting all wrong codes. Throws `storage_error` (500). */
export async function liftLockout(bucket: R2Bucket, scope: LockoutScope): Promise<void> {
	await changeState(bucket, stateOf(scope), (guesses) => ({ ...guesses, wrong: [] }));
}

function stateOf(scope: LockoutScope): StateKind<Guesses> {
	const key = scope === 'keyed' ? 'access/guesses-with-key.json' : 'access/guesses.json';
	return { key, schema: GuessesSchema, empty: { wrong: [], right: [] } };
}

function counting(wrong: Guesses['wrong'], now: number): Guesses['wrong'] {
	return wrong.filter(({ at }) => at > now - WINDOW_MS);
}

function requireOpen(wrong: Guesses['wrong'], network: string, now: number): void {
	const until = lockedUntil(wrong);
	if (until !== null) throw new LifeboatError(LOCKED, lockedDetails(until - now));
	const own = wrong.filter((guess) => guess.network === network);
	const last = own.at(-1)?.at ?? 0;
	const recent = own.filter(({ at }) => at > last - DAY).length;
	const free = last + (DELAYS_MS[Math.min(recent, DELAYS_MS.length) - 1] ?? 0);
	if (free > now) throw throttled(free - now);
}

/** When the oldest of the last {@link MAX_WRONG} wrong codes stops counting; null if there are fewer. */
function lockedUntil(wrong: Guesses['wrong']): number | null {
	const oldest = wrong.at(-MAX_WRONG);
	return oldest ? oldest.at + WINDOW_MS : null;
}

const LOCKED = 'Too many wrong codes were sent.';

function justLocked(wrong: Guesses['wrong'], now: number): JustLocked {
	return new JustLocked(LOCKED, lockedDetails((lockedUntil(wrong) ?? now) - now));
}

function lockedDetails(milliseconds: number): ErrorDetails {
	return {
		code: 'access_locked',
		status: 429,
		hint: 'It holds for six digits only: commands, and `node genTotp.js --headers`, still get through with the long code. `npm run unlock` lifts it, or an administrator on the page /backups/access.',
		retryAfter: Math.ceil(milliseconds / SECOND),
	};
}

function throttled(milliseconds: number): LifeboatError {
	return new LifeboatError('This address has sent wrong codes and must wait.', {
		code: 'throttled',
		status: 429,
		hint: 'Check TOTP_SECRET and the clock. Try again after the time in Retry-After, or send the long code that `node genTotp.js --long` prints.',
		retryAfter: Math.ceil(milliseconds / SECOND),
	});
}
