import type { R2Bucket } from '@cloudflare/workers-types';
import { storageError, tryRepeatedly } from '../backup/storage/failure.ts';

const PREFIX = 'access/spent/';

/** Milliseconds for which what has run out is kept: clocks of Workers may differ a little. */
const KEPT_MS = 60_000;

/** R2 answers some calls with an error when many come at once. */
const MAX_TRIES = 6;
const MAX_PAUSE_MS = 200;

/** What can be used once: a code or a token. */
export interface OneTime {
	/** Letters, digits and hyphens. */
	id: string;
	/** Milliseconds since 1970 at which it is good for nothing any more. */
	until: number;
}

/**
 * Uses something up: true for exactly one of all callers, in whatever Worker (R2's conditional puts).
 * RFC 6238, section 5.2, asks for it. Throws `storage_error` (500).
 */
export async function useUp(
	bucket: R2Bucket,
	{ id, until }: OneTime,
	now: number,
): Promise<boolean> {
	const first = await isFirst(bucket, `${PREFIX}${until}-${id}`);
	if (first) await forget(bucket, now - KEPT_MS);
	return first;
}

async function isFirst(bucket: R2Bucket, key: string): Promise<boolean> {
	const own = crypto.randomUUID();
	for (let attempt = 1; ; attempt++) {
		try {
			if (await bucket.put(key, own, { onlyIf: { etagDoesNotMatch: '*' } })) return true;
			// A call that seemed to fail may have written it.
			return attempt > 1 && (await (await bucket.get(key))?.text()) === own;
		} catch (error) {
			if (attempt === MAX_TRIES) throw storageError(error);
		}
		await new Promise((resolve) => setTimeout(resolve, Math.random() * MAX_PAUSE_MS));
	}
}

/** Removes what has run out before a moment: its keys begin with that time, so the oldest come first. */
async function forget(bucket: R2Bucket, before: number): Promise<void> {
	await tryRepeatedly(async () => {
		const { objects } = await bucket.list({ prefix: PREFIX });
		const keys = objects.map(({ key }) => key);
		const old = keys.filter((key) => Number.parseInt(key.slice(PREFIX.length), 10) < before);
		if (old.length > 0) await bucket.delete(old);
	});
}
