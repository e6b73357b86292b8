import * as v from 'valibot';
import type { R2Object } from '../../platform.ts';
import { manifestKey } from '../format/names.ts';
import { type BucketContext, IF_ABSENT, putIf } from './conditional.ts';
import { storageCall } from './failure.ts';

/** Also in the object's metadata, so that a list can tell a tombstone from a manifest. */
const MARK = { abandoned: 'true' };

const Tombstone = v.pipe(v.string(), v.parseJson(), v.object({ abandoned: v.literal(true) }));

/**
 * Ensures that a backup can never be committed, by a tombstone in place of its manifest: a stalled
 * Worker might otherwise commit volumes that are about to be removed. Returns false if there is a
 * manifest already. Throws `storage_error` (500).
 */
export async function buryBackup(context: BucketContext, name: string): Promise<boolean> {
	const key = manifestKey(name);
	const etag = await putIf(context, {
		key,
		body: `${JSON.stringify({ format: 1, abandoned: true })}\n`,
		onlyIf: IF_ABSENT,
		metadata: { httpMetadata: { contentType: 'application/json' }, customMetadata: MARK },
	});
	if (etag !== null) return true;
	const object = await storageCall(() => context.bucket.head(key));
	return object !== null && isTombstone(object);
}

/** Whether an object, or the text of one, is the tombstone of an abandoned backup. */
export function isTombstone(object: R2Object | string): boolean {
	if (typeof object === 'string') return v.is(Tombstone, object);
	return object.customMetadata?.['abandoned'] === MARK.abandoned;
}
