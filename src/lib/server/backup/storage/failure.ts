import { LifeboatError, messageOf, toLifeboatError } from '../../errors.ts';
import { retry, type Sleep } from '../../retry.ts';
import { KEY_WRITE_INTERVAL_MS } from '../limits.ts';

/** Tries of one call of R2, including the first. */
const MAX_TRIES = 3;

/** Makes a call of R2. What it throws becomes `storage_error` (500) or `object_locked` (409). */
export async function storageCall<T>(call: () => Promise<T>): Promise<T> {
	try {
		return await call();
	} catch (error) {
		throw storageError(error);
	}
}

/** Retries a call of R2 that may be made twice. Throws what {@link storageCall} throws. */
export function retryStorage<T>(call: () => Promise<T>, sleep: Sleep): Promise<T> {
	return storageCall(() => retry(call, pauseUnlessLocked, sleep));
}

/** The pauses between tries of a write: one key takes one write a second. */
export function pauseAfterFailure(_error: unknown, tries: number): number | null {
	return tries === MAX_TRIES ? null : KEY_WRITE_INTERVAL_MS;
}

function pauseUnlessLocked(error: unknown, tries: number): number | null {
	return isLocked(error) ? null : pauseAfterFailure(error, tries);
}

/**
 * Does a clean-up that must not hide an earlier failure: a few tries, then a log entry. What a lock
 * rule protects is not tried again. Returns whether it succeeded.
 */
export async function tryRepeatedly(cleanUp: () => Promise<void>): Promise<boolean> {
	try {
		await retry(cleanUp, pauseUnlessLocked, async () => {});
		return true;
	} catch (error) {
		const reason = isLocked(error) ? messageOf(error) : error; // a lock rule is not a fault
		console.error('Not cleaned up; a later backup tries again:', reason);
		return false;
	}
}

/** Turns what R2 throws into `storage_error` (500) or `object_locked` (409). */
export function storageError(error: unknown): LifeboatError {
	if (isLocked(error)) {
		return toLifeboatError(error, 'A lock rule of the bucket protects this object.', {
			code: 'object_locked',
			status: 409,
			hint: 'Nothing was changed. The object can be removed once the rule no longer covers it.',
		});
	}
	return toLifeboatError(error, 'The bucket refused a call.', {
		code: 'storage_error',
		status: 500,
		hint: 'Nothing was changed. Check the binding MY_BUCKET and try again.',
		retryable: true,
	});
}

/** Whether a lock rule of the bucket forbids a call (R2 > Error codes, 10069). */
export function isLocked(error: unknown): boolean {
	if (error instanceof LifeboatError) return error.code === 'object_locked';
	return error instanceof Error && error.message.includes('(10069)');
}
