import type { LastProof, ListedBackup } from '../backup/format/manifest.ts';
import { newestSigned } from '../backup/storage/list.ts';
import { dropAbandonedState } from '../backup/storage/lock.ts';
import type { R2Bucket } from '../platform.ts';
import { listContext, type Operations, removeOldEntries } from './index.ts';
import { readKept } from './kept.ts';
import type { Look } from './looks.ts';
import { watchStage } from './stage.ts';
import { watchAge } from './watch.ts';

const HOUR_MS = 3_600_000;
/** How long an answer is reused, so that no number of callers can load the bucket. */
export const CACHE_MS = 60_000;

/** The state of the backups. It contains nothing that strangers may not know. */
export interface Health {
	/** Whether both the newest backup and the newest proven one are young enough. */
	healthy: boolean;
	/** The allowed age, in hours. */
	maxAgeHours: number;
	/** Hours since then, to one decimal; null for never. */
	ages: {
		backup: number | null;
		/** The last verification and the last drill that proved a backup. */
		verification: number | null;
		drill: number | null;
		/** The newest backup whose last proofs have all succeeded. */
		provenBackup: number | null;
	};
	/** How long other queries waited for the newest backup, in milliseconds; null if it was not staged. */
	waitedMs: number | null;
	/**
	 * Whether a retention policy is set, and how many backups it removes, or the usual one would remove; null
	 * if that is not known.
	 */
	retention: { isSet: boolean; removable: number | null };
	/** Sentences: that alerts go nowhere, what killed backups have left, and that a backup is planted. */
	warnings: string[];
}

export const NO_WEBHOOK = 'Alerts are sent nowhere: ALERT_WEBHOOK_URL is not set.';
const FORGED =
	'What looks like the newest backup does not count: its manifest was not signed with a secret of this app.';

const PARENT_LOST =
	'The full backup on which the newest backup rests is missing, or was found to be damaged.';

const answers = new WeakMap<R2Bucket, { until: number; health: Promise<Health> }>();

/**
 * The state of a database's backups, at most a minute old. Sends an alert, once, if they are overdue,
 * and drops what a killed backup has left in the database. Throws `storage_error` (500).
 */
export function readHealth(operations: Operations): Promise<Health> {
	const { bucket, now } = operations;
	const known = answers.get(bucket);
	if (known && known.until > now()) return known.health;
	const health = checkHealth(operations);
	answers.set(bucket, { until: now() + CACHE_MS, health });
	return health;
}

async function checkHealth(operations: Operations): Promise<Health> {
	const { settings } = operations;
	const { warnings, ...health } = healthOf(operations, await lookAt(operations));
	await removeOldEntries(operations);
	return { ...health, warnings: settings.webhook === null ? [NO_WEBHOOK, ...warnings] : warnings };
}

/**
 * Looks at the backups of a database. Sends an alert, once, if they are overdue, and removes what a
 * killed backup has left in the database and in its lock. Throws `storage_error` (500).
 */
export async function lookAt(operations: Operations): Promise<Look> {
	const { newest, look } = await readLook(operations);
	await watchAge(operations, newest);
	await dropAbandonedState(operations);
	return { ...look, warnings: [...look.warnings, ...(await watchStage(operations))] };
}

/** Reads how old the backups of a database are, and nothing else. Throws `storage_error` (500). */
export async function readLook(
	operations: Operations,
): Promise<{ newest: ListedBackup | undefined; look: Look }> {
	const { backups, retention } = await readKept(operations, { most: 0 });
	const { removable } = retention.suggested ?? retention;
	return lookFrom(operations, { backups, removable });
}

/**
 * The same from a list of all backups, newest first, and how many of them retention would remove. Throws
 * `storage_error` (500).
 */
export async function lookFrom(
	operations: Operations,
	{ backups, removable }: { backups: ListedBackup[]; removable: number },
): Promise<{ newest: ListedBackup | undefined; look: Look }> {
	const newest = await newestSigned(listContext(operations), backups);
	const warnings = newest?.name === backups[0]?.name ? [] : [FORGED];
	if (newest?.problem !== undefined) warnings.push(PARENT_LOST);
	return {
		newest,
		look: { at: operations.now(), ...agesOf(newest, backups), removable, warnings },
	};
}

function agesOf(
	newest: ListedBackup | undefined,
	backups: ListedBackup[],
): Omit<Look, 'at' | 'removable' | 'warnings'> {
	const time = (text: string | undefined) => (text === undefined ? null : Date.parse(text));
	const lastOf = (proofs: (LastProof | null)[]) => {
		const times = proofs.flatMap((proof) => (proof?.proven ? [proof.at] : []));
		return time(times.sort().at(-1));
	};
	return {
		backup: time(newest?.startedAt),
		verification: lastOf(backups.map(({ verified }) => verified)),
		drill: lastOf(backups.map(({ drilled }) => drilled)),
		provenBackup: time(backups.find(isProven)?.startedAt),
		waitedMs: newest?.waitedMs ?? null,
	};
}

/**
 * Whether both the newest backup and the newest proven one are young enough: at most `maxAgeMs` old `now`, in
 * milliseconds since 1970.
 */
export function isHealthy(
	{ backup, provenBackup }: Pick<Look, 'backup' | 'provenBackup'>,
	maxAgeMs: number,
	now: number,
): boolean {
	return [backup, provenBackup].every((time) => time !== null && now - time <= maxAgeMs);
}

/** What a look means now. */
export function healthOf({ settings, policy, now: clock }: Operations, look: Look): Health {
	const { backup, verification, drill, provenBackup, waitedMs, removable = null, warnings } = look;
	const { maxAgeMs } = settings;
	const now = clock();
	const age = (time: number | null) =>
		time === null ? null : Math.round(((now - time) / HOUR_MS) * 10) / 10;
	return {
		healthy: isHealthy(look, maxAgeMs, now),
		maxAgeHours: maxAgeMs / HOUR_MS,
		ages: {
			backup: age(backup),
			verification: age(verification),
			drill: age(drill),
			provenBackup: age(provenBackup),
		},
		waitedMs,
		retention: { isSet: policy().rules !== null, removable },
		warnings,
	};
}

/** Whether there are proofs of a backup, and the last of each kind is good. */
export function isProven({
	verified,
	drilled,
}: Pick<ListedBackup, 'verified' | 'drilled'>): boolean {
	const proofs = [verified, drilled].filter((proof) => proof !== null);
	return proofs.length > 0 && proofs.every(({ proven }) => proven);
}
