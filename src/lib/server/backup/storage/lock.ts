import type { R2Bucket } from '@cloudflare/workers-types';
import { LifeboatError } from '../../errors.ts';
import { storageCall, tryRepeatedly } from './failure.ts';

/** What only one may do at a time, and the objects that say that somebody does. */
export const LOCK_KEYS = { backup: 'lifeboat.lock', drill: 'lifeboat-drill.lock' };
export type Job = keyof typeof LOCK_KEYS;

/**
 * How long a lock holds without being renewed, in milliseconds: longer than any one step of a
 * backup or drill, of which five tries of a query that D1 ends after 30 seconds each are the longest.
 */
export const LEASE_MS = 5 * 60_000;
/** A lock is renewed when it is this old; R2 takes one write a second for a key (Error 10058). */
const RENEW_AFTER_MS = 30_000;

/** The right to write: to the bucket for one backup, to the drill database for one drill. */
export interface Lock {
	/** The backup that held an abandoned lock before, and may have left something behind. */
	abandoned: string | null;
	/** Keeps the lock. Throws `lock_lost` (409) when another has taken it over. */
	renew(): Promise<void>;
	/** Gives the lock back. Never throws: it ends by itself. */
	release(): Promise<void>;
}

/**
 * Takes the bucket's lock of a job for the backup `name`. R2's conditional puts let exactly one win.
 *
 * Throws `backup_running` or `drill_running` (409) while another holds it.
 */
export async function acquireLock(
	bucket: R2Bucket,
	job: Job,
	name: string,
	now: () => number,
): Promise<Lock> {
	const key = LOCK_KEYS[job];
	const put = (onlyIf: { etagMatches: string } | { etagDoesNotMatch: string }) => {
		const content = JSON.stringify({ name, until: now() + LEASE_MS });
		return storageCall(() => bucket.put(key, content, { onlyIf }));
	};
	let abandoned: string | null = null;
	let held = await put({ etagDoesNotMatch: '*' });
	if (held === null) {
		const other = await readLock(bucket, key);
		if (other !== null && other.until > now()) throw running(job, other.until - now());
		abandoned = other?.name ?? null;
		held = await put(other ? { etagMatches: other.etag } : { etagDoesNotMatch: '*' });
		if (held === null) throw running(job, LEASE_MS);
	}
	let etag = held.etag;
	let renewedAt = now();
	return {
		abandoned,
		async renew() {
			if (now() - renewedAt < RENEW_AFTER_MS) return;
			const renewed = await put({ etagMatches: etag });
			if (renewed === null) throw lockLost(job);
			etag = renewed.etag;
			renewedAt = now();
		},
		async release() {
			await tryRepeatedly(async () => {
				const current = await bucket.head(key);
				if (current?.etag === etag) await bucket.delete(key);
			});
		},
	};
}

async function readLock(
	bucket: R2Bucket,
	key: string,
): Promise<{ name: string | null; until: number; etag: string } | null> {
	return storageCall(async () => {
		const object = await bucket.get(key);
		return object && { ...parseLock(await object.text()), etag: object.etag };
	});
}

/** What is no lock of ours is held by nobody. */
function parseLock(text: string): { name: string | null; until: number } {
	try {
		const { name, until } = JSON.parse(text) as { name?: unknown; until?: unknown };
		if (typeof name === 'string' && typeof until === 'number') return { name, until };
	} catch {
		// falls through to the same answer
	}
	return { name: null, until: 0 };
}

function running(job: Job, milliseconds: number): LifeboatError {
	return new LifeboatError(`Another ${job} is running.`, {
		code: `${job}_running`,
		status: 409,
		hint: 'Wait for it to end, then try again. One that has died is taken over after five minutes.',
		retryable: true,
		retryAfter: Math.ceil(milliseconds / 1000),
	});
}

function lockLost(job: Job): LifeboatError {
	return new LifeboatError(`Another ${job} has taken over, because this one was silent too long.`, {
		code: 'lock_lost',
		status: 409,
		hint: 'Look at the list for the other one, or try again.',
		retryable: true,
	});
}
