import type { LastProof, ListedBackup } from '../backup/format/manifest.ts';
import { listBackups } from '../backup/index.ts';
import { newestSigned } from '../backup/storage/list.ts';
import type { R2Bucket } from '../platform.ts';
import { isOverdue } from './due.ts';
import { listContext, type Operations, removeOldData } from './index.ts';
import { watchStage } from './stage.ts';
import { watchAge } from './watch.ts';

const HOUR_MS = 3_600_000;
/** How long an answer is reused, so that no number of callers can load the bucket. */
const CACHE_MS = 60_000;

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
	/** Sentences: that alerts go nowhere, what killed backups have left, and that a backup is planted. */
	warnings: string[];
}

const NO_WEBHOOK = 'Alerts are sent nowhere: ALERT_WEBHOOK_URL is not set.';
const FORGED =
	'What looks like the newest backup does not count: its manifest was not signed with a secret of this app.';

const answers = new WeakMap<R2Bucket, { until: number; health: Promise<Health> }>();

/**
 * The state of the backups, at most a minute old. Sends an alert, once, if they are overdue, and drops
 * what a killed backup has left in the database. Throws `storage_error` (500).
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
	const { settings, now } = operations;
	const context = listContext(operations);
	const { backups } = await listBackups(context, { limit: Number.MAX_SAFE_INTEGER });
	const newest = await newestSigned(context, backups);
	await watchAge(operations, newest);
	await removeOldData(operations);
	const warnings = settings.webhook === null ? [NO_WEBHOOK] : [];
	if (newest?.name !== backups[0]?.name) warnings.push(FORGED);
	warnings.push(...(await watchStage(operations)));
	return { ...healthOf(newest, backups, settings.maxAgeMs, now()), warnings };
}

function healthOf(
	newest: ListedBackup | undefined,
	backups: ListedBackup[],
	maxAgeMs: number,
	now: number,
): Omit<Health, 'warnings'> {
	const proven = backups.find(isProven);
	const age = (time: string | undefined) =>
		time === undefined ? null : Math.round(((now - Date.parse(time)) / HOUR_MS) * 10) / 10;
	const ageOfLast = (proofs: (LastProof | null)[]) => {
		const times = proofs.flatMap((proof) => (proof?.proven ? [proof.at] : []));
		return age(times.sort().at(-1));
	};
	return {
		healthy: !isOverdue(newest, maxAgeMs, now) && !isOverdue(proven, maxAgeMs, now),
		maxAgeHours: maxAgeMs / HOUR_MS,
		ages: {
			backup: age(newest?.startedAt),
			verification: ageOfLast(backups.map(({ verified }) => verified)),
			drill: ageOfLast(backups.map(({ drilled }) => drilled)),
			provenBackup: age(proven?.startedAt),
		},
		waitedMs: newest?.waitedMs ?? null,
	};
}

function isProven({ verified, drilled }: ListedBackup): boolean {
	const proofs = [verified, drilled].filter((proof) => proof !== null);
	return proofs.length > 0 && proofs.every(({ proven }) => proven);
}
