import type { R2Bucket, R2Object } from '@cloudflare/workers-types';
import { LifeboatError } from '../../errors.ts';
import { storageCall, tryRepeatedly } from './failure.ts';

/** The object that says that a backup is being made. */
export const LOCK_KEY = 'lifeboat.lock';

/**
 * How long a lock holds without being renewed, in milliseconds: longer than any one step of a
 * backup, of which five tries of a query that D1 ends after 30 seconds each are the longest.
 */
export const LEASE_MS = 5 * 60_000;
/** A lock is renewed when it is this old; R2 takes one write a second for a key (Error 10058). */
const RENEW_AFTER_MS = 30_000;

/** The right to write to the bucket, for one backup at a time. */
export interface Lock {
	/** The backup that held an abandoned lock before, and may have left something behind. */
	abandoned: string | null;
	/** Keeps the lock. Throws `lock_lost` (409) when another backup has taken it over. */
	renew(): Promise<void>;
	/** Gives the lock back. Never throws: it ends by itself. */
	release(): Promise<void>;
}

/**
 * Takes the bucket's lock for the backup `name`. R2's conditional puts let exactly one win.
 *
 * Throws `backup_running` (409) while another backup holds it.
 */
export async function acquireLock(
	bucket: R2Bucket,
	name: string,
	now: () => number,
): Promise<Lock> {
	const content = () => JSON.stringify({ name, until: now() + LEASE_MS });
	let abandoned: string | null = null;
	let held = await put(bucket, content(), { etagDoesNotMatch: '*' });
	if (held === null) {
		const other = await readLock(bucket);
		if (other !== null && other.until > now()) throw backupRunning(other.until - now());
		abandoned = other?.name ?? null;
		held = await put(
			bucket,
			content(),
			other ? { etagMatches: other.etag } : { etagDoesNotMatch: '*' },
		);
		if (held === null) throw backupRunning(LEASE_MS);
	}
	let etag = held.etag;
	let renewedAt = now();
	return {
		abandoned,
		async renew() {
			if (now() - renewedAt < RENEW_AFTER_MS) return;
			const renewed = await put(bucket, content(), { etagMatches: etag });
			if (renewed === null) throw lockLost();
			etag = renewed.etag;
			renewedAt = now();
		},
		async release() {
			await tryRepeatedly(async () => {
				const current = await bucket.head(LOCK_KEY);
				if (current?.etag === etag) await bucket.delete(LOCK_KEY);
			});
		},
	};
}

function put(
	bucket: R2Bucket,
	content: string,
	onlyIf: { etagMatches: string } | { etagDoesNotMatch: string },
): Promise<R2Object | null> {
	return storageCall(() => bucket.put(LOCK_KEY, content, { onlyIf }));
}

async function readLock(
	bucket: R2Bucket,
): Promise<{ name: string | null; until: number; etag: string } | null> {
	return storageCall(async () => {
		const object = await bucket.get(LOCK_KEY);
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

function backupRunning(milliseconds: number): LifeboatError {
	return new LifeboatError('Another backup is being made.', {
		code: 'backup_running',
		status: 409,
		hint: 'Wait for it to end, then try again. One that has died is taken over after five minutes.',
		retryable: true,
		retryAfter: Math.ceil(milliseconds / 1000),
	});
}

function lockLost(): LifeboatError {
	return new LifeboatError('Another backup has taken over, because this one was silent too long.', {
		code: 'lock_lost',
		status: 409,
		hint: 'Look at the list for the other one, or try again.',
		retryable: true,
	});
}
