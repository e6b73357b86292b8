import type { R2Bucket } from '@cloudflare/workers-types';
import { listBackups } from '../backup/index.ts';
import type { LastProof, ListedBackup } from '../backup/format/manifest.ts';
import { isOverdue } from './due.ts';
import { removeOldData, type Operations } from './index.ts';
import { watchAge } from './watch.ts';

const HOUR_MS = 3_600_000;
/** For how long an answer stands, good or bad, so that no number of callers loads the bucket. */
const GOOD_FOR_MS = 60_000;

/** How the backups stand: nothing that a stranger could not be told. */
export interface Health {
	/** The newest backup, and the newest one that is proven, are young enough. */
	healthy: boolean;
	/** The age that they may have, in hours. */
	maxAgeHours: number;
	/** Hours since then, to a tenth; null for never. */
	ages: {
		backup: number | null;
		/** Verification and drill that have found a backup to be good. */
		verification: number | null;
		drill: number | null;
		/** The newest backup that was found to be good, and not to be bad since. */
		provenBackup: number | null;
	};
}

const answers = new WeakMap<R2Bucket, { until: number; health: Promise<Health> }>();

/**
 * How the backups stand, as it was at most a minute ago. Tells, once, when they are overdue. Throws
 * `storage_error` (500).
 */
export function readHealth(operations: Operations): Promise<Health> {
	const { bucket, now } = operations;
	const known = answers.get(bucket);
	if (known && known.until > now()) return known.health;
	const health = lookAt(operations);
	answers.set(bucket, { until: now() + GOOD_FOR_MS, health });
	return health;
}

async function lookAt(operations: Operations): Promise<Health> {
	const { bucket, settings, now } = operations;
	const { backups } = await listBackups(bucket, { limit: Number.MAX_SAFE_INTEGER });
	await watchAge(operations, backups[0]);
	await removeOldData(operations);
	return healthOf(backups, settings.maxAgeMs, now());
}

function healthOf(backups: ListedBackup[], maxAgeMs: number, now: number): Health {
	const [newest] = backups;
	const proven = backups.find(isProven);
	const age = (time: string | undefined) =>
		time === undefined ? null : Math.round(((now - Date.parse(time)) / HOUR_MS) * 10) / 10;
	const last = (proofs: (LastProof | null)[]) => {
		const times = proofs.flatMap((proof) => (proof?.proven ? [proof.at] : []));
		return age(times.sort().at(-1));
	};
	return {
		healthy: !isOverdue(newest, maxAgeMs, now) && !isOverdue(proven, maxAgeMs, now),
		maxAgeHours: maxAgeMs / HOUR_MS,
		ages: {
			backup: age(newest?.startedAt),
			verification: last(backups.map(({ verified }) => verified)),
			drill: last(backups.map(({ drilled }) => drilled)),
			provenBackup: age(proven?.startedAt),
		},
	};
}

function isProven({ verified, drilled }: ListedBackup): boolean {
	const proofs = [verified, drilled].filter((proof) => proof !== null);
	return proofs.length > 0 && proofs.every(({ proven }) => proven);
}
