import type { BackupSummary } from '../backup/format/manifest.ts';
import type { Proof } from '../backup/format/proof.ts';
import type { LifeboatError } from '../errors.ts';
import type { Alert } from './webhook.ts';

const HOUR_MS = 3_600_000;
/** Bytes of SQL up to which a database may change its size as it likes. */
const TINY_BYTES = 10_000;

/** A backup was in vain. */
export function failed(
	{ code, message, hint }: LifeboatError,
	newest: BackupSummary | undefined,
	now: number,
): Alert {
	const kind = code === 'snapshot_unstable' ? 'backup_unstable' : 'backup_failed';
	const text = `The backup failed (${code}). ${message} ${hint} ${newestIs(newest, now)}`;
	return { kind, code, text };
}

/** The newest backup is too old, or there is none. */
export function overdue(newest: BackupSummary | undefined, now: number): Alert {
	return {
		kind: 'backup_overdue',
		text: `A backup is overdue. ${newestIs(newest, now)} Look at the runs of the Backup workflow on GitHub, and make one now: npm run backup.`,
		...(newest && { backup: newest.name }),
	};
}

/** A backup was made after some that were in vain or overdue. */
export function recovered(backup: BackupSummary, failing: { since: number } | null): Alert {
	const since = failing ? ` They had failed since ${legible(failing.since)}.` : '';
	return {
		kind: 'backup_recovered',
		text: `Backups work again: ${backup.name} was made.${since}`,
		backup: backup.name,
	};
}

/** Whether a backup has more than so many times the size of the one before, or a smaller part of it. */
export function isOddSize(before: BackupSummary, backup: BackupSummary, factor: number): boolean {
	if (Math.max(before.sqlBytes, backup.sqlBytes) <= TINY_BYTES) return false;
	const bytes = backup.sqlBytes / before.sqlBytes;
	return bytes > factor || bytes < 1 / factor || backup.rows * factor < before.rows;
}

/** A backup has another size than is to be expected. */
export function oddSize(before: BackupSummary, backup: BackupSummary): Alert {
	const size = ({ sqlBytes, rows }: BackupSummary) => `${sqlBytes} bytes of SQL with ${rows} rows`;
	return {
		kind: 'backup_size',
		text: `The backup ${backup.name} has ${size(backup)}, the one before had ${size(before)}. If nobody has removed or added that much, look at the database, and keep the older backup.`,
		backup: backup.name,
	};
}

/** A proof has found that a backup is not what it should be. */
export function differs({ kind, backup, by, differences }: Proof): Alert {
	return {
		kind: 'drill_failed',
		code: 'backup_differs',
		text: `The ${kind === 'drill' ? 'drill' : 'verification'} of ${backup} found ${differences.length} differences (by ${by}). Do not rely on it: make another backup, and see in the proof what differs.`,
		backup,
	};
}

/** A backup could not be proven. */
export function notProven({ code, message, hint }: LifeboatError): Alert {
	return {
		kind: 'drill_failed',
		code,
		text: `A backup could not be proven (${code}). ${message} ${hint}`,
	};
}

/** Wrong codes have closed the API. */
export function locked(): Alert {
	return {
		kind: 'access_locked',
		code: 'access_locked',
		text: 'Too many wrong codes came: the backup API takes none any more. If they were not yours, somebody is guessing; set BACKUP_API_KEY, without which nobody can lock it. An administrator lifts the lock on the page /backups.',
	};
}

function newestIs(newest: BackupSummary | undefined, now: number): string {
	if (!newest) return 'There is no backup.';
	const startedAt = Date.parse(newest.startedAt);
	const hours = Math.floor((now - startedAt) / HOUR_MS);
	return `The newest backup is from ${legible(startedAt)}, ${hours} hours ago.`;
}

function legible(milliseconds: number): string {
	return `${new Date(milliseconds).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}
