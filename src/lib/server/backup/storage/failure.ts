import { LifeboatError } from '../../errors.ts';
import { messageOf } from '../database.ts';
import { type Sleep } from '../../retry.ts';

/** Tries of one call of R2, the first included. */
const TRIES = 3;
/** The pause between two tries, in milliseconds: R2 takes one write a second for a key (Error 10058). */
export const RETRY_PAUSE_MS = 1_100;

/** Runs calls of R2; what R2 throws becomes `storage_error` (500), or `object_locked` (409). */
export async function storageCall<T>(call: () => Promise<T>): Promise<T> {
	try {
		return await call();
	} catch (cause) {
		throw storageError(cause);
	}
}

/**
 * Makes a call of R2 again while it fails: only for calls that may be made twice. Throws what
 * {@link storageCall} throws.
 */
export async function retryStorage<T>(call: () => Promise<T>, sleep: Sleep): Promise<T> {
	for (let attempt = 1; ; attempt++) {
		try {
			return await call();
		} catch (error) {
			if (attempt === TRIES || isLocked(error)) throw storageError(error);
		}
		await sleep(RETRY_PAUSE_MS);
	}
}

/** What R2 throws, in our words; one of ours stays as it is. */
export function storageError(cause: unknown): LifeboatError {
	if (cause instanceof LifeboatError) return cause;
	if (isLocked(cause)) return objectLocked(cause);
	return new LifeboatError('The bucket refused a call.', {
		code: 'storage_error',
		status: 500,
		hint: 'Nothing was changed. Check the binding MY_BUCKET and try again.',
		retryable: true,
		cause,
	});
}

/**
 * Runs a clean-up that must not hide the failure before it: tried a few times, then logged. What a
 * lock rule protects is not tried again. Tells whether it was done.
 */
export async function tryRepeatedly(cleanUp: () => Promise<void>): Promise<boolean> {
	for (let attempt = 1; attempt <= TRIES; attempt++) {
		try {
			await cleanUp();
			return true;
		} catch (error) {
			if (attempt < TRIES && !isLocked(error)) continue;
			const reason = isLocked(error) ? messageOf(error) : error; // a lock rule is no mishap
			console.error('Left behind in the bucket; a later backup tries again:', reason);
			return false;
		}
	}
	return false;
}

/** Whether a lock rule of the bucket forbids what was tried (R2 > Error codes, 10069). */
export function isLocked(error: unknown): boolean {
	if (error instanceof LifeboatError) return error.code === 'object_locked';
	return error instanceof Error && error.message.includes('(10069)');
}

function objectLocked(cause: unknown): LifeboatError {
	return new LifeboatError('A lock rule of the bucket protects this object.', {
		code: 'object_locked',
		status: 409,
		hint: 'Nothing was changed. The object can be removed once the rule no longer covers it.',
		cause,
	});
}
