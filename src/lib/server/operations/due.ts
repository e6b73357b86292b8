import type { BackupSummary, ListedBackup } from '../backup/format/manifest.ts';
import { listBackups } from '../backup/index.ts';
import { newestSigned } from '../backup/storage/list.ts';
import { listContext, type Operations } from './index.ts';

/**
 * The newest backup that the app itself has made, other than the one of the name `except`; undefined
 * if there is none. Throws `storage_error` (500) and what the keys of {@link Operations} throw.
 */
export async function newestBackup(
	operations: Operations,
	except?: string,
): Promise<ListedBackup | undefined> {
	const context = listContext(operations);
	const { backups } = await listBackups(context);
	return newestSigned(
		context,
		backups.filter(({ name }) => name !== except),
	);
}

/**
 * The newest backup while it is younger than half the allowed age; null when one is due. That leaves
 * the other half to the next run if one is late, skipped or fails. A backup that was found to differ
 * from its manifest does not count, nor does one whose parent was, or is missing. Where a key is not
 * valid, a backup is due: it fails, with an alert that says why.
 *
 * Throws `storage_error` (500).
 */
export async function undueBackup(operations: Operations): Promise<ListedBackup | null> {
	const { settings, now } = operations;
	if (!hasValidKeys(operations)) return null;
	const newest = await newestBackup(operations);
	return newest && isUndue(newest, settings.maxAgeMs, now()) ? newest : null;
}

/** Whether no other backup than this newest one is due yet. */
export function isUndue(newest: ListedBackup, maxAgeMs: number, now: number): boolean {
	const { startedAt, verified, drilled, problem } = newest;
	if (now - Date.parse(startedAt) >= maxAgeMs / 2 || problem !== undefined) return false;
	return verified?.proven !== false && drilled?.proven !== false;
}

function hasValidKeys(operations: Operations): boolean {
	try {
		operations.keys();
		return true;
	} catch {
		return false;
	}
}

/** Whether the newest backup is older than allowed, or there is none. */
export function isOverdue(
	newest: Pick<BackupSummary, 'startedAt'> | undefined,
	maxAgeMs: number,
	now: number,
): boolean {
	return newest === undefined || now - Date.parse(newest.startedAt) > maxAgeMs;
}
