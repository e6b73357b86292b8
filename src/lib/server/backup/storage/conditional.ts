import { createHash } from 'node:crypto';
import type { R2Bucket, R2PutOptions } from '../../platform.ts';
import { type PauseAfter, retry, type Sleep } from '../../retry.ts';
import { isLocked, pauseAfterFailure, storageError } from './failure.ts';

/** The condition of a put: that there is no such object. */
export const IF_ABSENT = { etagDoesNotMatch: '*' } as const;

/** When to write: while there is no such object, or while it has this etag. */
export type Condition = typeof IF_ABSENT | { etagMatches: string };

/** What conditional puts work with. */
export interface BucketContext {
	bucket: R2Bucket;
	sleep: Sleep;
}

/** An object to write if a condition holds. */
export interface ConditionalPut {
	key: string;
	body: string | Uint8Array;
	onlyIf: Condition;
	/** SHA-256 of the body in hexadecimal, if it is known already. */
	sha256?: string;
	metadata?: Pick<R2PutOptions, 'httpMetadata' | 'customMetadata'>;
}

/**
 * Writes an object if the condition holds. Returns its etag, or null if the condition does not hold.
 * A put whose call failed may have been written all the same: the object is then read back, and counts
 * as written if its contents are these. Throws `storage_error` (500), or `object_locked` (409).
 */
export async function putIf(
	{ bucket, sleep }: BucketContext,
	{ key, body, onlyIf, metadata, ...known }: ConditionalPut,
	pauseAfter: PauseAfter = pauseAfterFailure,
): Promise<string | null> {
	const sha256 = known.sha256 ?? createHash('sha256').update(body).digest('hex');
	const writtenEtag = async () => {
		const object = await bucket.head(key);
		return object?.checksums.toJSON().sha256 === sha256 ? object.etag : null;
	};
	let mayBeWritten = false;
	const put = async () => {
		const found = mayBeWritten ? await writtenEtag().catch(() => null) : null;
		if (found !== null) return found;
		try {
			const object = await bucket.put(key, body, { ...metadata, sha256, onlyIf });
			if (object !== null) return object.etag;
			return mayBeWritten ? await writtenEtag() : null;
		} catch (error) {
			mayBeWritten = true;
			// A lock rule is checked before the condition (R2 > Bucket locks): there is such an object.
			if (isLocked(error) && onlyIf === IF_ABSENT) return writtenEtag();
			throw error;
		}
	};
	try {
		return await retry(put, pauseAfter, sleep);
	} catch (error) {
		const found = await writtenEtag().catch(() => null);
		if (found !== null) return found;
		throw storageError(error);
	}
}
