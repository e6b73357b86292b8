import type { R2Object } from '@cloudflare/workers-types';
import * as v from 'valibot';
import { manifestKey } from '../format/names.ts';
import { type BucketContext, IF_ABSENT, putIf } from './conditional.ts';
import { storageCall } from './failure.ts';

/** In the object's metadata as well, so that a list tells it from a manifest. */
const MARK = { abandoned: 'true' };

const Tombstone = v.pipe(v.string(), v.parseJson(), v.object({ abandoned: v.literal(true) }));

/**
 * Makes sure that a backup never comes to exist, by an object in the place of its manifest: a Worker
 * that was stalled meanwhile cannot commit what is about to be removed. False where there is a
 * manifest already. Throws `storage_error` (500).
 */
export async function buryBackup(context: BucketContext, name: string): Promise<boolean> {
	const key = manifestKey(name);
	const text = `${JSON.stringify({ format: 1, abandoned: true })}\n`;
	const etag = await putIf(context, key, text, IF_ABSENT, {
		httpMetadata: { contentType: 'application/json' },
		customMetadata: MARK,
	});
	if (etag !== null) return true;
	const object = await storageCall(() => context.bucket.head(key));
	return object !== null && isTombstone(object);
}

/** Whether an object, or the text of one, stands for a backup that was given up. */
export function isTombstone(object: R2Object | string): boolean {
	if (typeof object === 'string') return v.is(Tombstone, object);
	return object.customMetadata?.['abandoned'] === MARK.abandoned;
}
