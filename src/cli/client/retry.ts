import { setTimeout as pause } from 'node:timers/promises';
import { LifeboatError } from '../../lib/server/errors.ts';
import { retry, type Sleep } from '../../lib/server/retry.ts';

/** With these codes the app refuses a call before it does anything. */
const REFUSALS = ['code_spent', 'issuer_unreachable', 'throttled'];

/** In seconds. A longer wait is for the caller to decide. */
const MAX_WAIT = 60;

/** In seconds: the next code is valid by then, if a proxy dropped the header that says when. */
const CODE_SECONDS = 30;

/** Other callers may spend the next code too. */
const MAX_WAITS = 3;

/**
 * Makes a call, and repeats it a few times while the app refuses it and asks to come back within a
 * minute. The app has done nothing then, so this is safe for every call. `call` must send new
 * credentials each time; `onWait` gets the code of the refusal and the seconds of each pause. Throws
 * what the call throws, and the reason of the signal, which ends the pauses too.
 */
export function retryRefused<T>(
	call: () => Promise<T>,
	signal: AbortSignal,
	onWait: (code: string, seconds: number) => void = () => {},
): Promise<T> {
	const pauseAfter = (error: unknown, tries: number) => {
		if (!(error instanceof LifeboatError) || tries > MAX_WAITS) return null;
		const { code, retryAfter } = error;
		const seconds = retryAfter ?? (code === 'code_spent' ? CODE_SECONDS : Infinity);
		if (!REFUSALS.includes(code) || seconds > MAX_WAIT) return null;
		onWait(code, seconds);
		return seconds * 1000;
	};
	return retry(call, pauseAfter, abortableSleep(signal));
}

/** A sleep that the signal ends, with its own reason. */
export function abortableSleep(signal: AbortSignal): Sleep {
	return async (milliseconds) => {
		await pause(milliseconds, undefined, { signal }).catch(() => signal.throwIfAborted());
	};
}
