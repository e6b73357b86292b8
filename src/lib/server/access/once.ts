import { IF_ABSENT, putIf } from '../backup/storage/conditional.ts';
import { tryRepeatedly } from '../backup/storage/failure.ts';
import type { R2Bucket } from '../platform.ts';
import { sleep } from '../retry.ts';

const PREFIX = 'access/spent/';

/** Milliseconds for which expired entries are kept: the clocks of Workers may differ slightly. */
const KEPT_MS = 60_000;

/** R2 answers some calls with an error if many arrive at once, so callers retry at random times. */
const MAX_TRIES = 6;
const MAX_PAUSE_MS = 200;

/** What can be used only once: a code or a token. */
export interface OneTime {
	/** Letters, digits and hyphens. */
	id: string;
	/** When it expires, in milliseconds since 1970. */
	until: number;
}

/**
 * Uses up a code or token: true for exactly one of all callers, in any Worker (R2's conditional
 * puts). RFC 6238, section 5.2, requires it. Throws `storage_error` (500).
 */
export async function useUp(
	bucket: R2Bucket,
	{ id, until }: OneTime,
	now: number,
): Promise<boolean> {
	const mark = crypto.randomUUID();
	const put = { key: `${PREFIX}${until}-${id}`, body: mark, onlyIf: IF_ABSENT };
	const etag = await putIf({ bucket, sleep }, put, pauseAfter);
	if (etag === null) return false;
	await removeExpired(bucket, now - KEPT_MS);
	return true;
}

function pauseAfter(_error: unknown, tries: number): number | null {
	return tries === MAX_TRIES ? null : Math.random() * MAX_PAUSE_MS;
}

/** Removes entries that expired before a moment: keys begin with that time, so the oldest come first. */
async function removeExpired(bucket: R2Bucket, before: number): Promise<void> {
	await tryRepeatedly(async () => {
		const { objects } = await bucket.list({ prefix: PREFIX });
		const keys = objects.map(({ key }) => key);
		const old = keys.filter((key) => Number.parseInt(key.slice(PREFIX.length), 10) < before);
		if (old.length > 0) await bucket.delete(old);
	});
}
