// What may be made again because the app has done nothing. Needs Node 20 and nothing installed.
import { setTimeout as pause } from 'node:timers/promises';

/** The app refuses with these before it does anything. */
const AT_THE_DOOR = ['code_spent', 'issuer_unreachable', 'throttled'];

/** Seconds: who has to wait for longer is told so. */
const MAX_WAIT = 60;

/** Until the next code at the latest, where something on the way has lost the header that says when. */
const CODE_SECONDS = 30;

/** With others at the same door, the next code may be spent too. */
const MAX_WAITS = 3;

/**
 * Makes a call, and a few times again where the app says at its door to come back within a minute, each
 * time with new credentials. So it is safe for every call.
 *
 * @template T
 * @param {() => Promise<T>} call
 * @param {AbortSignal} signal Ends the pauses too.
 * @param {(code: string, seconds: number) => void} onWait
 * @returns {Promise<T>}
 * @throws what the call throws, the reason of the signal
 */
export async function patiently(call, signal, onWait = () => {}) {
	for (let waits = 0; waits < MAX_WAITS; waits++) {
		try {
			return await call();
		} catch (error) {
			const { code = '', retryAfter } = Object(error);
			const seconds = retryAfter ?? (code === 'code_spent' ? CODE_SECONDS : Infinity);
			if (!AT_THE_DOOR.includes(code) || seconds > MAX_WAIT) throw error;
			onWait(code, seconds);
			await sleep(seconds, signal);
		}
	}
	return call();
}

/**
 * @param {number} seconds
 * @param {AbortSignal} signal
 * @throws the reason of the signal
 */
export async function sleep(seconds, signal) {
	await pause(seconds * 1000, undefined, { signal }).catch(() => signal.throwIfAborted());
}

/**
 * How long an answer asks to wait, in seconds; undefined when it does not, or names a date.
 * @param {Response} response
 */
export function retryAfterOf({ headers }) {
	const [seconds] = /^\d+$/.exec(headers.get('Retry-After') ?? '') ?? [];
	return seconds === undefined ? undefined : Number(seconds);
}
