import type { R2Bucket, R2PutOptions } from '@cloudflare/workers-types';
import type { Sleep } from '../../retry.ts';
import { isLocked, RETRY_PAUSE_MS, storageCall, storageError } from './failure.ts';

/** Tries of one put, the first included. */
const TRIES = 3;

/** When to write: while the object is the one with this etag, or while there is none. */
export type Condition = { etagMatches: string } | typeof IF_ABSENT;

/** While there is no such object. */
export const IF_ABSENT = { etagDoesNotMatch: '*' } as const;

/** What conditional writes need of the world. */
export interface BucketContext {
	bucket: R2Bucket;
	sleep: Sleep;
}

/**
 * Writes a text if the condition holds, and returns its etag, or null where it does not hold. The
 * answer to a put that was done may be lost: so after a failure the object is read back, and this
 * very text counts as written. Throws `storage_error` (500).
 */
export async function putIf(
	{ bucket, sleep }: BucketContext,
	key: string,
	text: string,
	onlyIf: Condition,
	options: R2PutOptions = {},
): Promise<string | null> {
	const written = () =>
		storageCall(async () => {
			const object = await bucket.get(key);
			return object !== null && (await object.text()) === text ? object.etag : null;
		});
	for (let attempt = 1; ; attempt++) {
		try {
			const object = await bucket.put(key, text, { ...options, onlyIf });
			if (object !== null) return object.etag;
			return attempt === 1 ? null : await written();
		} catch (error) {
			// The rule comes before the condition (R2 > Bucket locks): there is such an object.
			if (isLocked(error) && onlyIf === IF_ABSENT) return written();
			if (attempt === TRIES) {
				const etag = await written().catch(() => null);
				if (etag !== null) return etag;
				throw storageError(error);
			}
		}
		await sleep(RETRY_PAUSE_MS);
		const etag = await written().catch(() => null);
		if (etag !== null) return etag;
	}
}
