import type { R2Bucket } from '@cloudflare/workers-types';
import * as v from 'valibot';
import { storageCall } from './failure.ts';
import { LifeboatError } from '../../errors.ts';

/** Each lost race means that another Worker has won one. */
const MAX_TRIES = 40;
/** Milliseconds: R2 takes about one write a second to one key (Cloudflare: R2, Limits). */
const MAX_PAUSE_MS = 250;
/** Writings that an object remembers: enough for a Worker to find its own behind those of others. */
const MAX_WRITINGS = 20;

/** A small JSON object in a bucket that several Workers change. */
export interface StateKind<T extends object> {
	key: string;
	schema: v.GenericSchema<unknown, T>;
	/** What counts where there is no such object, or none that can be read. */
	empty: T;
}

/** The state as it is now. Throws `storage_error` (500). */
export async function readState<T extends object>(
	bucket: R2Bucket,
	kind: StateKind<T>,
): Promise<T> {
	return (await read(bucket, kind)).state;
}

/** A state as it was read. */
interface Reading<T> {
	state: T;
	/** Null where there is no object yet. */
	etag: string | null;
	/** Ids of the last writings, oldest first. */
	writings: string[];
}

const Writings = v.object({ writings: v.optional(v.array(v.string()), []) });

/**
 * Changes the state: of several Workers that do so at once, each sees what the others before it have
 * left. `change` returns the next state, or the very same object where nothing is to be written, and
 * may throw; it may be called several times. Returns what holds from then on. A write that was done
 * although its call failed counts as done, and `change` is not called again after it.
 *
 * Throws `storage_error` (500), and `state_contended` (503) where too many change it at once.
 */
export async function changeState<T extends object>(
	bucket: R2Bucket,
	kind: StateKind<T>,
	change: (state: T) => T,
): Promise<T> {
	let failure: unknown;
	const sent = new Map<string, T>();
	for (let attempt = 0; attempt < MAX_TRIES; attempt++) {
		if (attempt > 0) await pause(attempt);
		try {
			const current = await read(bucket, kind);
			const written = current.writings.map((id) => sent.get(id)).find((own) => own !== undefined);
			if (written) return written;
			const next = change(current.state);
			if (next === current.state) return next;
			const id = crypto.randomUUID();
			sent.set(id, next);
			if (await write(bucket, kind.key, { id, next }, current)) return next;
			failure = undefined;
		} catch (error) {
			if (!isStorageError(error)) throw error;
			failure = error; // as when it is written to too often
		}
	}
	throw failure ?? contended();
}

/** Whether the state was still the one that was read. */
async function write<T extends object>(
	bucket: R2Bucket,
	key: string,
	{ id, next }: { id: string; next: T },
	{ etag, writings }: Reading<T>,
): Promise<boolean> {
	const onlyIf = etag === null ? { etagDoesNotMatch: '*' } : { etagMatches: etag };
	const text = JSON.stringify({ ...next, writings: [...writings, id].slice(-MAX_WRITINGS) });
	return storageCall(async () => (await bucket.put(key, text, { onlyIf })) !== null);
}

async function read<T extends object>(
	bucket: R2Bucket,
	{ key, schema, empty }: StateKind<T>,
): Promise<Reading<T>> {
	return storageCall(async () => {
		const object = await bucket.get(key);
		if (object === null) return { state: empty, etag: null, writings: [] };
		const Stored = v.pipe(v.string(), v.parseJson(), v.intersect([schema, Writings]));
		const { success, output } = v.safeParse(Stored, await object.text());
		if (!success) return { state: empty, etag: object.etag, writings: [] };
		return { state: output, etag: object.etag, writings: output.writings };
	});
}

function isStorageError(error: unknown): boolean {
	return error instanceof LifeboatError && error.code === 'storage_error';
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
