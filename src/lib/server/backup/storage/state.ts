import * as v from 'valibot';
import { LifeboatError } from '../../errors.ts';
import type { R2Bucket } from '../../platform.ts';
import { retry, sleep } from '../../retry.ts';
import { type Condition, IF_ABSENT } from './conditional.ts';
import { storageCall } from './failure.ts';

/** Each lost race means that another Worker has won one. */
const MAX_TRIES = 40;
/** Milliseconds: R2 takes about one write of one key a second (R2 > Limits). */
const MAX_PAUSE_MS = 250;
/** Ids of writes that an object keeps: enough for a Worker to find its own among those of others. */
const MAX_WRITINGS = 20;

/** A small JSON object in a bucket that several Workers change. */
export interface StateKind<T extends object> {
	key: string;
	schema: v.GenericSchema<unknown, T>;
	/** The state if there is no object. */
	empty: T;
	/** The state if there is an object that cannot be read; by default the empty one. */
	unreadable?: T;
}

/** A state as it was read. */
interface Reading<T> {
	state: T;
	/** Null if there is no object yet. */
	etag: string | null;
	/** Ids of the last writes, oldest first. */
	writings: string[];
}

const Writings = v.object({ writings: v.optional(v.array(v.string()), []) });

/** The current state. Throws `storage_error` (500). */
export async function readState<T extends object>(
	bucket: R2Bucket,
	kind: StateKind<T>,
): Promise<T> {
	return (await read(bucket, kind)).state;
}

/**
 * Changes the state. Of several Workers that do so at once, each sees the changes of those before it.
 * `change` returns the next state, or the same object to leave it unchanged; it may throw, and may be
 * called several times. Returns the state after the change.
 *
 * A write whose call failed may have been done, and others may have written after it, which `putIf`
 * could not tell: so the object keeps the ids of its last writes. If ours is among them, `change` is
 * not called again.
 *
 * Throws `storage_error` (500), `state_contended` (503) if too many change it at once.
 */
export function changeState<T extends object>(
	bucket: R2Bucket,
	kind: StateKind<T>,
	change: (state: T) => T,
): Promise<T> {
	const sent = new Map<string, T>();
	const changeOnce = async () => {
		const current = await read(bucket, kind);
		const written = current.writings.map((id) => sent.get(id)).find((own) => own !== undefined);
		if (written) return written;
		const next = change(current.state);
		if (next === current.state) return next;
		const id = crypto.randomUUID();
		sent.set(id, next);
		await write(bucket, kind.key, { ...current, state: next, writings: [...current.writings, id] });
		return next;
	};
	return retry(changeOnce, pauseAfter, sleep);
}

/** Writes a state over the one that was read. Throws `state_contended` (503) if that is gone. */
async function write<T extends object>(
	bucket: R2Bucket,
	key: string,
	{ state, etag, writings }: Reading<T>,
): Promise<void> {
	const onlyIf: Condition = etag === null ? IF_ABSENT : { etagMatches: etag };
	const text = JSON.stringify({ ...state, writings: writings.slice(-MAX_WRITINGS) });
	const object = await storageCall(() => bucket.put(key, text, { onlyIf }));
	if (object === null) throw contended();
}

async function read<T extends object>(
	bucket: R2Bucket,
	{ key, schema, empty, unreadable = empty }: StateKind<T>,
): Promise<Reading<T>> {
	return storageCall(async () => {
		const object = await bucket.get(key);
		if (object === null) return { state: empty, etag: null, writings: [] };
		const Stored = v.pipe(v.string(), v.parseJson(), v.intersect([schema, Writings]));
		const { success, output } = v.safeParse(Stored, await object.text());
		if (!success) return { state: unreadable, etag: object.etag, writings: [] };
		return { state: output, etag: object.etag, writings: output.writings };
	});
}

/** Longer after each try, and random, so that Workers that collided once do not collide again. */
function pauseAfter(error: unknown, tries: number): number | null {
	if (tries === MAX_TRIES || !mayPass(error)) return null;
	return Math.random() * Math.min(MAX_PAUSE_MS, 5 * 2 ** tries);
}

function mayPass(error: unknown): boolean {
	return (
		error instanceof LifeboatError && ['storage_error', 'state_contended'].includes(error.code)
	);
}

function contended(): LifeboatError {
	return new LifeboatError('Too many calls arrived at once.', {
		code: 'state_contended',
		status: 503,
		hint: 'Nothing was changed. Try again in a few seconds.',
		retryable: true,
		retryAfter: 5,
	});
}
