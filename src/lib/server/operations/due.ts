import type { BackupSummary, ListedBackup } from '../backup/format/manifest.ts';
import { listBackups } from '../backup/index.ts';
import type { Operations } from './index.ts';

/**
 * The newest backup while it is younger than half the allowed age; null when one is due. That leaves
 * the other half to the next run if one is late, skipped or fails. A backup that was found to differ
 * from its manifest does not count.
 *
 * Throws `storage_error` (500).
 */
export async function undueBackup({
	bucket,
	settings,
	now,
}: Pick<Operations, 'bucket' | 'settings' | 'now'>): Promise<ListedBackup | null> {
	const [newest] = (await listBackups(bucket, { limit: 1 })).backups;
	if (!newest || now() - Date.parse(newest.startedAt) >= settings.maxAgeMs / 2) return null;
	const { verified, drilled } = newest;
	return verified?.proven === false || drilled?.proven === false ? null : newest;
}

/** Whether the newest backup is older than allowed, or there is none. */
export function isOverdue(
	newest: Pick<BackupSummary, 'startedAt'> | undefined,
	maxAgeMs: number,
	now: number,
): boolean {
	return newest === undefined || now - Date.parse(newest.startedAt) > maxAgeMs;
}
