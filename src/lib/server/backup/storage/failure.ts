import { LifeboatError } from '../../errors.ts';

/** Tries to take back what a failed backup has left. */
const CLEANUP_TRIES = 3;

/** Runs calls of R2; what R2 throws becomes `storage_error` (500). */
export async function storageCall<T>(call: () => Promise<T>): Promise<T> {
	try {
		return await call();
	} catch (cause) {
		throw storageError(cause);
	}
}

/** `storage_error` (500): what R2 throws, in our words. */
export function storageError(cause: unknown): LifeboatError {
	return new LifeboatError('The bucket refused a call.', {
		code: 'storage_error',
		status: 500,
		hint: 'Nothing was changed. Check the binding MY_BUCKET and try again.',
		retryable: true,
		cause,
	});
}

/**
 * Runs a clean-up that must not hide the failure before it: tried a few times, then logged. Tells
 * whether it was done.
 */
export async function tryRepeatedly(cleanUp: () => Promise<void>): Promise<boolean> {
	for (let attempt = 1; attempt <= CLEANUP_TRIES; attempt++) {
		try {
			await cleanUp();
			return true;
		} catch (error) {
			if (attempt === CLEANUP_TRIES) console.error('Left behind in the bucket:', error);
		}
	}
	return false;
}
