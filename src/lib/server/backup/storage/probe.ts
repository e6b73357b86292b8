import { LifeboatError } from '../../errors.ts';
import type { R2Bucket } from '../../platform.ts';
import { type BucketContext, putIf } from './conditional.ts';
import { storageCall } from './failure.ts';

/** No object has this key, unless a bucket ignores the condition under which it is written. */
export const PROBE = 'lifeboat-probe';

const checked = new WeakSet<R2Bucket>();

/**
 * Requires that a bucket heeds the conditions of a put, as R2 does: locks, spent codes and manifests
 * depend on it. Asks each bucket once in a Worker. Throws `bucket_unsuitable` (500), `storage_error`
 * (500).
 */
export async function requireConditionalPuts(context: BucketContext): Promise<void> {
	const { bucket } = context;
	if (checked.has(bucket)) return;
	const onlyIf = { etagMatches: 'none' };
	const written = await putIf(context, { key: PROBE, body: '', onlyIf });
	if (written !== null) {
		await storageCall(() => bucket.delete(PROBE));
		throw unsuitable();
	}
	checked.add(bucket);
}

function unsuitable(): LifeboatError {
	return new LifeboatError('The bucket ignores the conditions under which it should write.', {
		code: 'bucket_unsuitable',
		status: 500,
		hint: 'Bind a bucket of Cloudflare R2: without conditions, two backups at once could damage each other.',
	});
}
