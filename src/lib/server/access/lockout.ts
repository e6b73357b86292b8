import type { R2Bucket } from '@cloudflare/workers-types';
import * as v from 'valibot';
import { LifeboatError } from '../errors.ts';
import { changeState, readState, type StateKind } from '../backup/storage/state.ts';
import { type Code, codeInvalid } from './code.ts';

const SECOND = 1000;
const DAY = 86_400 * SECOND;

/**
 * Wrong codes that are looked at in any {@link WINDOW_MS}, whoever sends them. Three codes of a million
 * are good at a time, six with TOTP_SECRET_PREVIOUS: so many guesses find one with a probability of at
 * most 0.0045 %, or 0.009 %. A limit by the hour would let a patient guesser in (RFC 4226, section 7.3,
 * asks for one that holds across sessions).
 */
export const MAX_WRONG = 15;
export const WINDOW_MS = 365 * DAY;

/** How long a network waits after its first wrong code of a day, its second, and so on. */
const DELAYS_MS = [1 * SECOND, 4 * SECOND, 16 * SECOND, 64 * SECOND, DAY];

/** Networks whose right codes are remembered: enough for callers, and a bound for the object. */
const MAX_RIGHT = 50;

const Moment = v.pipe(v.number(), v.safeInteger());

const GuessesSchema = v.object({
	/** Wrong codes, in the order of time. */
	wrong: v.array(v.object({ at: Moment, network: v.string() })),
	/** Right ones that may be shown again from the same network. */
	right: v.array(v.object({ code: v.string(), network: v.string(), until: Moment })),
});
type Guesses = v.InferOutput<typeof GuessesSchema>;

/** Where guesses are counted: of everybody, or of those alone who have the API key. */
export type Guessers = 'anyone' | 'keyed';

/** What there is to tell an administrator. */
export interface LockState {
	/** Wrong codes that count. */
	wrong: { at: number; network: string }[];
	/** Milliseconds since 1970; null while it is open. */
	lockedUntil: number | null;
}

/** `access_locked` (429), thrown by the very guess that has closed the lock. */
export class JustLocked extends LifeboatError {}

/**
 * Judges a guess, which is written down before anything follows from it: so many calls at once are no
 * way around the limits. A right code may be shown again from the same network without that.
 *
 * Throws `throttled` or `access_locked` (429) without a look at the code, `code_invalid` (401), and
 * {@link JustLocked}.
 */
export async function judge(
	{ bucket, guessers, now }: { bucket: R2Bucket; guessers: Guessers; now: number },
	network: string,
	code: Code | null,
): Promise<Code> {
	const { wrong } = await changeState(bucket, kind(guessers), (guesses) => {
		const counted = guesses.wrong.filter(({ at }) => at > now - WINDOW_MS);
		refuse(counted, network, now);
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

/** How it stands, for people. Throws `storage_error` (500). */
export async function lockState(
	bucket: R2Bucket,
	guessers: Guessers,
	now: number,
): Promise<LockState> {
	const guesses = await readState(bucket, kind(guessers));
	const wrong = guesses.wrong.filter(({ at }) => at > now - WINDOW_MS);
	return { wrong, lockedUntil: lockedUntil(wrong) };
}

/** Forgets all wrong codes: the lock is open again. Throws `storage_error` (500). */
export async function liftLock(bucket: R2Bucket, guessers: Guessers): Promise<void> {
	await changeState(bucket, kind(guessers), (guesses) => ({ ...guesses, wrong: [] }));
}

function kind(guessers: Guessers): StateKind<Guesses> {
	const key = guessers === 'keyed' ? 'access/guesses-with-key.json' : 'access/guesses.json';
	return { key, schema: GuessesSchema, empty: { wrong: [], right: [] } };
}

function refuse(wrong: Guesses['wrong'], network: string, now: number): void {
	const until = lockedUntil(wrong);
	if (until !== null) throw new LifeboatError(LOCKED, lockedDetails(until - now));
	const own = wrong.filter((guess) => guess.network === network);
	const last = own.at(-1)?.at ?? 0;
	const recent = own.filter(({ at }) => at > last - DAY).length;
	const free = last + (DELAYS_MS[Math.min(recent, DELAYS_MS.length) - 1] ?? 0);
	if (free > now) throw throttled(free - now);
}

/** Until the oldest wrong code that makes them too many counts no more. */
function lockedUntil(wrong: Guesses['wrong']): number | null {
	const oldest = wrong.at(-MAX_WRONG);
	return oldest ? oldest.at + WINDOW_MS : null;
}

const LOCKED = 'There were too many wrong codes.';

function justLocked(wrong: Guesses['wrong'], now: number): JustLocked {
	return new JustLocked(LOCKED, lockedDetails((lockedUntil(wrong) ?? now) - now));
}

function lockedDetails(milliseconds: number) {
	return {
		code: 'access_locked',
		status: 429,
		hint: 'An administrator can lift the lock on the page /backups; docs/security.md has another way.',
		retryAfter: Math.ceil(milliseconds / SECOND),
	};
}

function throttled(milliseconds: number): LifeboatError {
	return new LifeboatError('This address has sent wrong codes and has to wait.', {
		code: 'throttled',
		status: 429,
		hint: 'Check TOTP_SECRET and the clock, and try again after the time in Retry-After.',
		retryAfter: Math.ceil(milliseconds / SECOND),
	});
}
