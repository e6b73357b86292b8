import * as v from 'valibot';
import { LifeboatError } from '../../errors.ts';
import type { R2Bucket } from '../../platform.ts';
import { KEY_WRITE_INTERVAL_MS } from '../limits.ts';
import { type BucketContext, type Condition, IF_ABSENT, putIf } from './conditional.ts';
import { storageCall, tryRepeatedly } from './failure.ts';

/** What only one caller may do at a time, each with the key of its lock. */
export const LOCK_KEYS = { backup: 'lifeboat.lock', drill: 'lifeboat-drill.lock' };
export type Task = keyof typeof LOCK_KEYS;

/**
 * How long a lock holds without renewal, in milliseconds: longer than the longest pause between two
 * renewals, which is five tries of a query that D1 ends after 30 seconds each.
 */
export const LEASE_MS = 5 * 60_000;
/** A lock is renewed once it is this old, in milliseconds. */
const RENEW_AFTER_MS = 30_000;

/** The contents of a lock's object. */
const LockSchema = v.object({
	/** The backup for which the lock is held. */
	name: v.string(),
	/** Unique for each write: an etag in R2 depends on nothing but the contents. */
	writing: v.optional(v.string(), ''),
	/** When the lock expires, in milliseconds since 1970; then anybody may take it. */
	until: v.number(),
	/** Whether the backup waits for its next step, so that nobody works on it. */
	waiting: v.optional(v.boolean(), false),
	/** When the ticket of the running step expires, in milliseconds since 1970; 0 for the first step. */
	ticketUntil: v.optional(v.number(), 0),
	/** What the next step needs, encrypted; null before the end of the first step. */
	state: v.optional(v.nullable(v.string()), null),
	/** Steps of this backup that were started, repeated ones included: a new number for each. */
	tries: v.optional(v.number(), 1),
	/** Backups that held the lock before and let it expire. */
	abandoned: v.optional(v.array(v.string()), []),
});
type LockContent = Omit<v.InferOutput<typeof LockSchema>, 'writing'>;

/** A lock that is not held. */
const NOBODY: LockContent = {
	name: '',
	until: 0,
	waiting: false,
	ticketUntil: 0,
	state: null,
	tries: 1,
	abandoned: [],
};

/** A lock as it was read. */
export type HeldLock = LockContent & { etag: string };

/** The right to write: a backup to the bucket, or a drill to the drill database. */
export interface Lock {
	/** The backups that held the lock before and let it expire. */
	readonly abandoned: readonly string[];
	/** Steps of this backup that were started, including this one: no other step has this number. */
	readonly tries: number;
	/** Forgets the abandoned backups, which can no longer be committed; written with the next renewal. */
	buried(): void;
	/** Keeps the lock while work goes on. Throws `lock_lost` (409) if somebody else has taken it over. */
	renew(): Promise<void>;
	/** Ensures, by a write, that the lock is still held. Throws `lock_lost` (409). */
	confirm(): Promise<void>;
	/**
	 * Goes on under another name, with what a repetition of this step needs, and counts the backup of the
	 * old name as abandoned. Throws `lock_lost` (409).
	 */
	rename(name: string, state: string | null): Promise<void>;
	/** Stores what a repetition of this step needs. Throws `lock_lost` (409). */
	save(state: string): Promise<void>;
	/**
	 * Leaves the lock to the next step until that time, with what it needs; {@link release} then does
	 * nothing. Throws `lock_lost` (409).
	 */
	handOver(until: number, state: string): Promise<void>;
	/** Gives the lock back. Never throws: a lock expires by itself. */
	release(): Promise<void>;
}

/** What locks work with. */
export interface LockContext extends BucketContext {
	/** Milliseconds since 1970. */
	now(): number;
}

/**
 * Takes the lock of a task for the backup `name`. R2's conditional puts let exactly one caller win.
 *
 * Throws `backup_running` or `drill_running` (409) while somebody else holds it.
 */
export async function acquireLock(context: LockContext, task: Task, name: string): Promise<Lock> {
	const { bucket, now } = context;
	const first = { ...NOBODY, name, until: now() + LEASE_MS };
	const taken = await put(context, task, first, IF_ABSENT);
	if (taken !== null) return hold(context, task, { ...first, etag: taken });

	const other = await readLock(bucket, task);
	if (other !== null && other.until > now()) throw running(task, other.until - now());
	const next = { ...first, abandoned: other ? [...other.abandoned, other.name] : [] };
	const condition = other ? { etagMatches: other.etag } : IF_ABSENT;
	const etag = await put(context, task, next, condition);
	if (etag === null) throw running(task, LEASE_MS);
	return hold(context, task, { ...next, etag });
}

/**
 * Takes over the lock for the next step of a backup, or for a step that died. Exactly one caller wins.
 *
 * Throws `backup_running` or `drill_running` (409) while somebody works on it.
 */
export async function takeUpLock(context: LockContext, task: Task, held: HeldLock): Promise<Lock> {
	const { now } = context;
	if (!held.waiting && held.until > now()) throw running(task, held.until - now());
	const { etag: before, ...content } = held;
	const next = {
		...content,
		until: now() + LEASE_MS,
		ticketUntil: held.waiting ? held.until : held.ticketUntil,
		waiting: false,
		tries: held.tries + 1,
	};
	const etag = await put(context, task, next, { etagMatches: before });
	if (etag === null) throw running(task, LEASE_MS);
	return hold(context, task, { ...next, etag });
}

/** The lock of a task; null if there is none. An object that is not a lock counts as expired. */
export async function readLock(bucket: R2Bucket, task: Task): Promise<HeldLock | null> {
	return storageCall(async () => {
		const object = await bucket.get(LOCK_KEYS[task]);
		if (object === null) return null;
		const text = await object.text();
		const { success, output } = v.safeParse(v.pipe(v.string(), v.parseJson(), LockSchema), text);
		return { ...(success ? output : NOBODY), etag: object.etag };
	});
}

/** Whether the backup that holds, or held, the lock may still be continued: with a ticket that is valid. */
export function mayGoOn({ until, ticketUntil }: HeldLock, now: number): boolean {
	return Math.max(until, ticketUntil) > now;
}

/**
 * Removes the state of a backup from the lock once its ticket has expired, because it contains rows of
 * the database. Never throws: the next call tries again.
 */
export async function dropAbandonedState(context: LockContext): Promise<void> {
	await tryRepeatedly(async () => {
		const held = await readLock(context.bucket, 'backup');
		if (!held?.state || mayGoOn(held, context.now())) return;
		const { etag, ...content } = held;
		const next = { ...content, state: null, waiting: false };
		await put(context, 'backup', next, { etagMatches: etag });
	});
}

function hold(context: LockContext, task: Task, held: HeldLock): Lock {
	const { bucket, now } = context;
	let { etag, ...content } = held;
	let renewedAt = now();
	let handedOver = false;
	const change = async (changes: Partial<LockContent>) => {
		const next = { ...content, until: now() + LEASE_MS, ...changes };
		const written = await put(context, task, next, { etagMatches: etag });
		if (written === null) throw lockLost(task);
		etag = written;
		content = next;
		renewedAt = now();
	};
	return {
		abandoned: held.abandoned,
		tries: held.tries,
		buried() {
			content = { ...content, abandoned: [] };
		},
		async renew() {
			if (now() - renewedAt >= RENEW_AFTER_MS) await change({});
		},
		async confirm() {
			// R2 takes one write of a key a second, and a lock written that recently is still held.
			if (now() - renewedAt >= KEY_WRITE_INTERVAL_MS) await change({});
		},
		rename: (name, state) =>
			change({ name, state, abandoned: [...content.abandoned, content.name] }),
		save: (state) => change({ state }),
		async handOver(until, state) {
			await change({ until, waiting: true, state });
			handedOver = true;
		},
		async release() {
			if (handedOver) return;
			await tryRepeatedly(async () => {
				// Abandoned backups that were not buried must not be forgotten.
				if (content.abandoned.length > 0) return change({ until: now() });
				const current = await bucket.head(LOCK_KEYS[task]);
				if (current?.etag === etag) await bucket.delete(LOCK_KEYS[task]);
			});
		},
	};
}

/** Writes the lock if the condition holds. Returns its new etag, or null. */
function put(
	context: LockContext,
	task: Task,
	content: LockContent,
	onlyIf: Condition,
): Promise<string | null> {
	const body = JSON.stringify({ ...content, writing: crypto.randomUUID() });
	return putIf(context, { key: LOCK_KEYS[task], body, onlyIf });
}

function running(task: Task, milliseconds: number): LifeboatError {
	return new LifeboatError(`Another ${task} is running.`, {
		code: `${task}_running`,
		status: 409,
		hint: 'Wait for it to end, then try again. If it died, its lock expires within half an hour.',
		retryable: true,
		retryAfter: Math.ceil(milliseconds / 1000),
	});
}

/** `lock_lost` (409): somebody else has taken the lock over. */
export function lockLost(task: Task): LifeboatError {
	return new LifeboatError(
		`Another ${task} has taken over, because this one did not report for too long.`,
		{
			code: 'lock_lost',
			status: 409,
			hint: 'Look for the other one in the list, or try again.',
			retryable: true,
		},
	);
}
