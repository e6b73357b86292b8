import type { R2Bucket } from '@cloudflare/workers-types';
import * as v from 'valibot';
import { LifeboatError } from '../../errors.ts';
import { type BucketContext, type Condition, IF_ABSENT, putIf } from './conditional.ts';
import { RETRY_PAUSE_MS, storageCall, tryRepeatedly } from './failure.ts';

/** What only one may do at a time, and the objects that say that somebody does. */
export const LOCK_KEYS = { backup: 'lifeboat.lock', drill: 'lifeboat-drill.lock' };
export type Task = keyof typeof LOCK_KEYS;

/**
 * How long a lock holds without being renewed, in milliseconds: longer than any one step of a
 * backup or drill, of which five tries of a query that D1 ends after 30 seconds each are the longest.
 */
export const LEASE_MS = 5 * 60_000;
/** A lock is renewed when it is this old. */
const RENEW_AFTER_MS = 30_000;

/**
 * How long the ticket of a step that has died may be good after its lock ran out, in milliseconds:
 * tickets last for 15 minutes, and the lock was taken with one for at least {@link LEASE_MS}.
 */
const TICKET_REST_MS = 10 * 60_000;

/** What the lock's object says. */
const LockSchema = v.object({
	/** The backup that it is held for. */
	name: v.string(),
	/** Tells one writing of the lock from any other: an etag in R2 is that of the contents. */
	writing: v.optional(v.string(), ''),
	/** Milliseconds since 1970; after that anybody may take it. */
	until: v.number(),
	/** True while nobody works, and the next step is awaited. */
	waiting: v.optional(v.boolean(), false),
	/** What the job's next step needs, encrypted; null before the end of the first. */
	state: v.optional(v.nullable(v.string()), null),
	/** How many steps of this backup were begun, those begun again included: each time another number. */
	tries: v.optional(v.number(), 1),
	/** Backups that held the lock before and let it run out. */
	abandoned: v.optional(v.array(v.string()), []),
});
type LockContent = Omit<v.InferOutput<typeof LockSchema>, 'writing'>;

/** A lock as it was read. */
export type HeldLock = LockContent & { etag: string };

/** The right to write: to the bucket for one backup, to the drill database for one drill. */
export interface Lock {
	/** The backups that held the lock before and let it run out. */
	readonly abandoned: readonly string[];
	/** How many steps of this backup were begun, this one included: no other step has this number. */
	readonly tries: number;
	/** Forgets the abandoned backups: nobody can end them any more. Said with the next renewal. */
	buried(): void;
	/** Keeps the lock while work goes on. Throws `lock_lost` (409) when another has taken it over. */
	renew(): Promise<void>;
	/** Makes sure, by a write, that the lock is still held. Throws `lock_lost` (409). */
	confirm(): Promise<void>;
	/** Says what the step needs when it has to be begun again. Throws `lock_lost` (409). */
	save(state: string): Promise<void>;
	/**
	 * Gives the lock to whoever begins the next step, until that time, with that state or the one
	 * before; then {@link release} leaves it alone. Throws `lock_lost` (409).
	 */
	handOver(until: number, state?: string): Promise<void>;
	/** Gives the lock back. Never throws: it ends by itself. */
	release(): Promise<void>;
}

/** What a lock needs of the world. */
export interface LockContext extends BucketContext {
	/** Milliseconds since 1970. */
	now(): number;
}

/**
 * Takes the bucket's lock of a task for the backup `name`. R2's conditional puts let exactly one win.
 *
 * Throws `backup_running` or `drill_running` (409) while another holds it.
 */
export async function acquireLock(context: LockContext, task: Task, name: string): Promise<Lock> {
	const { bucket, now } = context;
	const content = { name, until: now() + LEASE_MS, waiting: false, state: null, tries: 1 };
	const first = { ...content, abandoned: [] };
	const taken = await put(context, task, first, IF_ABSENT);
	if (taken !== null) return hold(context, task, { ...first, etag: taken });

	const other = await readLock(bucket, task);
	if (other !== null && other.until > now()) throw running(task, other.until - now());
	const next = { ...content, abandoned: other ? [...other.abandoned, other.name] : [] };
	const condition = other ? { etagMatches: other.etag } : IF_ABSENT;
	const etag = await put(context, task, next, condition);
	if (etag === null) throw running(task, LEASE_MS);
	return hold(context, task, { ...next, etag });
}

/**
 * Takes up the lock of a job's next step, or of a step that has died. Of several exactly one wins.
 *
 * Throws `backup_running` or `drill_running` (409) while somebody works.
 */
export async function takeUpLock(context: LockContext, task: Task, held: HeldLock): Promise<Lock> {
	const { now } = context;
	if (!held.waiting && held.until > now()) throw running(task, held.until - now());
	const { etag: before, ...content } = held;
	const next = { ...content, until: now() + LEASE_MS, waiting: false, tries: held.tries + 1 };
	const etag = await put(context, task, next, { etagMatches: before });
	if (etag === null) throw running(task, LEASE_MS);
	return hold(context, task, { ...next, etag });
}

/** The lock of a task as it is; null where nobody holds one. What is no lock of ours has run out. */
export async function readLock(bucket: R2Bucket, task: Task): Promise<HeldLock | null> {
	return storageCall(async () => {
		const object = await bucket.get(LOCK_KEYS[task]);
		if (object === null) return null;
		const text = await object.text();
		const { success, output } = v.safeParse(v.pipe(v.string(), v.parseJson(), LockSchema), text);
		const nobody = { name: '', until: 0, waiting: false, state: null, tries: 1, abandoned: [] };
		return { ...(success ? output : nobody), etag: object.etag };
	});
}

/**
 * Removes the state of a job from the lock once its ticket has expired, because it holds rows of the
 * database. Never throws: the next call that looks at the lock tries again.
 */
export async function dropAbandonedState(context: LockContext): Promise<void> {
	await tryRepeatedly(async () => {
		const held = await readLock(context.bucket, 'backup');
		if (!held?.state) return;
		const until = held.until + (held.waiting ? 0 : TICKET_REST_MS);
		if (until > context.now()) return;
		const { etag, ...content } = held;
		await put(
			context,
			'backup',
			{ ...content, state: null, waiting: false },
			{ etagMatches: etag },
		);
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
			// R2 takes one write a second for a key: one that is so young is proof enough.
			if (now() - renewedAt >= RETRY_PAUSE_MS) await change({});
		},
		save: (state) => change({ state }),
		async handOver(until, state) {
			await change({ until, waiting: true, ...(state !== undefined && { state }) });
			handedOver = true;
		},
		async release() {
			if (handedOver) return;
			await tryRepeatedly(async () => {
				// What was not buried must not be forgotten.
				if (content.abandoned.length > 0) return change({ until: now() });
				const current = await bucket.head(LOCK_KEYS[task]);
				if (current?.etag === etag) await bucket.delete(LOCK_KEYS[task]);
			});
		},
	};
}

/** Writes the lock if the condition holds; its new etag, or null. */
function put(
	context: LockContext,
	task: Task,
	content: LockContent,
	onlyIf: Condition,
): Promise<string | null> {
	const text = JSON.stringify({ ...content, writing: crypto.randomUUID() });
	return putIf(context, LOCK_KEYS[task], text, onlyIf);
}

function running(task: Task, milliseconds: number): LifeboatError {
	return new LifeboatError(`Another ${task} is running.`, {
		code: `${task}_running`,
		status: 409,
		hint: 'Wait for it to end, then try again. One that has died holds its lock for at most 15 minutes more.',
		retryable: true,
		retryAfter: Math.ceil(milliseconds / 1000),
	});
}

/** `lock_lost` (409): another has taken the lock over. */
export function lockLost(task: Task): LifeboatError {
	return new LifeboatError(
		`Another ${task} has taken over, because this one was silent too long.`,
		{
			code: 'lock_lost',
			status: 409,
			hint: 'Look at the list for the other one, or try again.',
			retryable: true,
		},
	);
}
