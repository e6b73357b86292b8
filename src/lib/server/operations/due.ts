import { listBackups } from '../backup/index.ts';
import type { BackupSummary, ListedBackup } from '../backup/manifest.ts';
import type { Operations } from './index.ts';

/**
 * The newest backup where it is not yet time for another: that is where it has half of the age that it
 * may have. So a run that is late, skipped or in vain leaves as much time again for the next. Null where
 * one is due.
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
	return newest;
}

/** Whether the newest backup is older than it may be, or there is none. */
export function isOverdue(
	newest: Pick<BackupSummary, 'startedAt'> | undefined,
	maxAgeMs: number,
	now: number,
): boolean {
	return newest === undefined || now - Date.parse(newest.startedAt) > maxAgeMs;
}
