import type { R2Bucket } from '@cloudflare/workers-types';
import * as v from 'valibot';
import { storageCall, storageError } from './backup/storage/failure.ts';
import { LifeboatError } from './errors.ts';

/** Each lost race means that another Worker has won one. */
const MAX_TRIES = 40;
/** Milliseconds: R2 takes about one write a second to one key (Cloudflare: R2, Limits). */
const MAX_PAUSE_MS = 250;

/** A small JSON object in a bucket that several Workers change. */
export interface StateKind<T> {
	key: string;
	schema: v.GenericSchema<unknown, T>;
	/** What counts where there is no such object, or none that can be read. */
	empty: T;
}

/** The state as it is now. Throws `storage_error` (500). */
export async function readState<T>(bucket: R2Bucket, kind: StateKind<T>): Promise<T> {
	return (await read(bucket, kind)).state;
}

/**
 * Changes the state: of several Workers that do so at once, each sees what the others before it have
 * left. `change` returns the next state, or the very same object where nothing is to be written, and
 * may throw; it may be called several times. Returns what holds from then on.
 *
 * Throws `storage_error` (500), and `state_contended` (503) where too many change it at once.
 */
export async function changeState<T>(
	bucket: R2Bucket,
	kind: StateKind<T>,
	change: (state: T) => T,
): Promise<T> {
	let failure: unknown;
	for (let attempt = 0; attempt < MAX_TRIES; attempt++) {
		if (attempt > 0) await pause(attempt);
		const current = await read(bucket, kind).catch((error: unknown) => ({ error }));
		if ('error' in current) {
			failure = current.error;
			continue;
		}
		const next = change(current.state);
		if (next === current.state) return next;
		try {
			if (await write(bucket, kind.key, next, current.etag)) return next;
			failure = undefined;
		} catch (error) {
			failure = error; // as when it is written to too often
		}
	}
	throw failure ? storageError(failure) : contended();
}

/** Whether the state was still the one with this etag. */
async function write(
	bucket: R2Bucket,
	key: string,
	state: unknown,
	etag: string | null,
): Promise<boolean> {
	const onlyIf = etag === null ? { etagDoesNotMatch: '*' } : { etagMatches: etag };
	return (await bucket.put(key, JSON.stringify(state), { onlyIf })) !== null;
}

async function read<T>(
	bucket: R2Bucket,
	{ key, schema, empty }: StateKind<T>,
): Promise<{ state: T; etag: string | null }> {
	return storageCall(async () => {
		const object = await bucket.get(key);
		if (object === null) return { state: empty, etag: null };
		const { success, output } = v.safeParse(
			v.pipe(v.string(), v.parseJson(), schema),
			await object.text(),
		);
		return { state: success ? output : empty, etag: object.etag };
	});
}

/** Longer from try to try, and not the same for all: who meets once is not to meet again. */
function pause(attempt: number): Promise<void> {
	const longest = Math.min(MAX_PAUSE_MS, 5 * 2 ** attempt);
	return new Promise((resolve) => setTimeout(resolve, Math.random() * longest));
}

function contended(): LifeboatError {
	return new LifeboatError('Too many calls came at once.', {
		code: 'state_contended',
		status: 503,
		hint: 'Nothing was changed. Try again in a few seconds.',
		retryable: true,
		retryAfter: 5,
	});
}
