import * as v from 'valibot';
import { changeState, type StateKind } from '../backup/storage/state.ts';
import type { R2Bucket } from '../platform.ts';

// What is remembered of callers, so that an unusual one raises an alert, once.

const DAY_MS = 86_400_000;
const KNOWN_MS = 90 * DAY_MS;
/** Networks to remember: a bound for the object. */
const MAX_NETWORKS = 500;
/** Wrong API keys within a day that raise an alert. */
export const MAX_WRONG_KEYS = 10;

const Moment = v.pipe(v.number(), v.safeInteger());

interface Fetches {
	/** Who has fetched, and when last to within a day, in milliseconds since 1970; oldest first. */
	networks: { network: string; at: number }[];
}

const FETCHES: StateKind<Fetches> = {
	key: 'operations/fetches.json',
	schema: v.object({ networks: v.array(v.object({ network: v.string(), at: Moment })) }),
	empty: { networks: [] },
};

interface WrongKeys {
	/** When the first of them came, in milliseconds since 1970. */
	since: number;
	count: number;
}

const WRONG_KEYS: StateKind<WrongKeys> = {
	key: 'operations/wrong-keys.json',
	schema: v.object({ since: Moment, count: Moment }),
	empty: { since: 0, count: 0 },
};

/**
 * Whether a network has fetched no backup in the last 90 days; from now on it has. The very first one is
 * new too. Writes once a day for each network, however many parts of files it fetches. Throws
 * `storage_error` (500), `state_contended` (503).
 */
export async function isNewNetwork(
	bucket: R2Bucket,
	network: string,
	now: number,
): Promise<boolean> {
	let isNew = false;
	await changeState(bucket, FETCHES, (fetches) => {
		const recent = fetches.networks.filter(({ at }) => at > now - KNOWN_MS);
		const known = recent.find((one) => one.network === network);
		isNew = known === undefined;
		if (known && known.at > now - DAY_MS) return fetches;
		const others = recent.filter((one) => one !== known).slice(1 - MAX_NETWORKS);
		return { networks: [...others, { network, at: now }] };
	});
	return isNew;
}

/**
 * Counts a wrong API key. Returns whether it is the one that makes too many of a day; after that one
 * nothing is written until the day is over. Throws `storage_error` (500), `state_contended` (503).
 */
export async function isOneTooMany(bucket: R2Bucket, now: number): Promise<boolean> {
	let isIt = false;
	await changeState(bucket, WRONG_KEYS, (wrong) => {
		const isOver = wrong.since + DAY_MS <= now;
		const { since, count } = isOver ? { since: now, count: 0 } : wrong;
		isIt = count + 1 === MAX_WRONG_KEYS;
		return count < MAX_WRONG_KEYS ? { since, count: count + 1 } : wrong;
	});
	return isIt;
}
