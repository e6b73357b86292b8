import type { BackupSummary } from '../backup/format/manifest.ts';
import type { Proof } from '../backup/format/proof.ts';
import { removableFrom } from '../backup/keep/marks.ts';
import type { PlannedBackup } from '../backup/keep/outlook.ts';
import type { RequestedRemoval } from '../backup/keep/requests.ts';
import type { LifeboatError } from '../errors.ts';

const HOUR_MS = 3_600_000;
/** Names in a sentence. */
const MAX_NAMES = 5;
/** Bytes of SQL up to which any change of a database's size is normal. */
const TINY_BYTES = 10_000;

export type AlertKind =
	| 'backup_failed'
	| 'backup_unstable'
	| 'backup_overdue'
	| 'backup_recovered'
	| 'backup_size'
	| 'drill_failed'
	| 'backups_marked'
	| 'prune_failed'
	| 'access_locked'
	| 'api_key_guessed'
	| 'backup_fetched';

/** Something that an operator must know now. */
export interface Alert {
	kind: AlertKind;
	/** For people; never contains a secret or a row. */
	text: string;
	/** The database concerned, where the app has several. */
	database?: string;
	/** Name of the backup concerned, or of its file. */
	backup?: string;
	/** Code of the error. */
	code?: string;
}

/** A backup failed. */
export function failed(
	{ code, message, hint }: LifeboatError,
	newest: BackupSummary | undefined,
	now: number,
): Alert {
	const kind = code === 'snapshot_unstable' ? 'backup_unstable' : 'backup_failed';
	const text = `The backup failed (${code}). ${message} ${hint} ${ageOf(newest, now)}`;
	return { kind, code, text };
}

/** The newest backup is too old, or there is none. */
export function overdue(newest: BackupSummary | undefined, now: number): Alert {
	return {
		kind: 'backup_overdue',
		text: `A backup is overdue. ${ageOf(newest, now)} Check the runs of the Backup workflow on GitHub, or of the Worker's schedule, and make a backup now: npm run backup.`,
		...(newest && { backup: newest.name }),
	};
}

/** A backup succeeded after backups had failed or were overdue. */
export function recovered(backup: BackupSummary, failing: { since: number } | null): Alert {
	const since = failing ? ` They had failed since ${legible(failing.since)}.` : '';
	return {
		kind: 'backup_recovered',
		text: `Backups work again: ${backup.name} was made.${since}`,
		backup: backup.name,
	};
}

/** Whether a backup is more than `factor` times larger or smaller than the one before. */
export function isOddSize(before: BackupSummary, backup: BackupSummary, factor: number): boolean {
	if (Math.max(before.sqlBytes, backup.sqlBytes) <= TINY_BYTES) return false;
	const bytes = backup.sqlBytes / before.sqlBytes;
	return bytes > factor || bytes < 1 / factor || backup.rows * factor < before.rows;
}

/** A backup has an unexpected size. */
export function oddSize(before: BackupSummary, backup: BackupSummary): Alert {
	const size = ({ sqlBytes, rows }: BackupSummary) => `${sqlBytes} bytes of SQL with ${rows} rows`;
	return {
		kind: 'backup_size',
		text: `The backup ${backup.name} has ${size(backup)}, the one before had ${size(before)}. If nobody has removed or added that much, check the database, and keep the older backup.`,
		backup: backup.name,
	};
}

/** A proof found that a backup differs from its manifest. */
export function differs({ kind, backup, by, differences }: Proof): Alert {
	const check = kind === 'drill' ? 'drill' : 'verification';
	return {
		kind: 'drill_failed',
		code: 'backup_differs',
		text: `The ${check} of ${backup} found ${differences.length} differences (by ${by}). Do not rely on this backup: make another one, and read in the proof what differs.`,
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

/** Backups are marked for removal. */
export function marked(backups: readonly Pick<PlannedBackup, 'name' | 'mark'>[]): Alert {
	const times = backups.flatMap(({ mark }) => (mark ? [Date.parse(mark.removableAt)] : []));
	const names = listed(backups.map(({ name }) => name));
	const one = backups.length === 1;
	const what = one ? `${names} is marked` : `${backups.length} backups are marked: ${names}`;
	return {
		kind: 'backups_marked',
		text: `${what}. No rule of the retention policy keeps ${one ? 'it' : 'them'}. From ${legible(Math.min(...times))} on, the app removes what is marked, unless you pin it or withdraw its mark: docs/retention.md.`,
	};
}

/** A caller wants a backup gone. */
export function requested({ name, mark }: RequestedRemoval, caller: string): Alert {
	return {
		kind: 'backups_marked',
		text: `${name} is marked, because a caller (${caller}) asked to remove it. From ${legible(removableFrom(mark))} on, the app removes it, unless you pin it or withdraw its mark: docs/retention.md. If that was not you, change TOTP_SECRET as after a leak (docs/deploy.md).`,
		backup: name,
	};
}

/** Old backups could not be pruned. */
export function notPruned({ code, message, hint }: LifeboatError): Alert {
	return {
		kind: 'prune_failed',
		code,
		text: `Old backups could not be pruned (${code}). ${message} ${hint}`,
	};
}

/** Wrong codes have triggered the lockout. */
export function locked(): Alert {
	return {
		kind: 'access_locked',
		code: 'access_locked',
		text: 'Too many wrong codes were sent: the backup API accepts no codes of six digits any more. The long codes of the commands and workflows still work. If the wrong ones were not yours, somebody is guessing. An administrator can lift the lockout on the page /backups/access.',
	};
}

/** Many wrong API keys came within a day. */
export function keyGuessed(wrongKeys: number): Alert {
	return {
		kind: 'api_key_guessed',
		code: 'api_key_invalid',
		text: `${wrongKeys} calls within a day had a wrong API key. If a machine of yours still has an old one, give it the new BACKUP_API_KEY; if not, somebody is guessing. \`npm run journal -- --refused\` shows where the calls came from.`,
	};
}

/** A network that has fetched no backup for long asks for a file of one. */
export function fetched(file: string, network: string): Alert {
	return {
		kind: 'backup_fetched',
		text: `${file} was fetched by ${network}, which has fetched no backup in the last 90 days. If that was not you, change TOTP_SECRET as after a leak (docs/deploy.md), and see docs/security.md.`,
		backup: file,
	};
}

/** A few names, and how many there are besides. */
function listed(names: readonly string[]): string {
	const more = names.length - MAX_NAMES;
	return names.slice(0, MAX_NAMES).join(', ') + (more > 0 ? ` and ${more} more` : '');
}

function ageOf(newest: BackupSummary | undefined, now: number): string {
	if (!newest) return 'There is no backup.';
	const startedAt = Date.parse(newest.startedAt);
	const hours = Math.floor((now - startedAt) / HOUR_MS);
	return `The newest backup is from ${legible(startedAt)}, ${hours} hours ago.`;
}

function legible(milliseconds: number): string {
	return `${new Date(milliseconds).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}
