import type { SqlSource } from '../../lib/server/backup/restore/source.ts';
import type { Survey } from '../../lib/server/backup/restore/survey.ts';

/** A backup that has been verified, and so may be restored. */
export interface Verified {
	sql: SqlSource;
	survey: Survey;
}

/** What was there before a restore. */
export interface Kept {
	/** The file that holds it. */
	file: string;
	/** The command that brings it back. */
	undo: string;
}

/** A restore as it is about to be done. */
export interface Plan extends Verified {
	/** Only these tables' rows; null for the whole database. */
	tables: string[] | null;
	/** What was there before; null where nothing was. */
	kept: Kept | null;
	/** Bytes of SQL so far, of the restore and then of the comparison. */
	onProgress(bytes: number, step: 'restore' | 'compare'): void;
}

/** A database to restore into. */
export interface Target {
	/** What has to be typed before it is replaced. */
	name: string;
	/** How a sentence names it. */
	title: string;
	/**
	 * The names of all that is in it, and none where it is empty. Nothing is changed. Throws
	 * `restore_running` (409) while another restore is at work there.
	 */
	contents(): Promise<string[]>;
	/** Keeps what is there; asked only where something is. */
	keep(): Promise<Kept>;
	/**
	 * Puts the backup in place of what was kept, or rows of some tables back, and compares. Throws
	 * `restore_differs` (422) where what was restored is not what the backup says.
	 */
	restore(plan: Plan): Promise<void>;
	/** After a restore that failed with this error: tells in a sentence how things are. */
	recover(plan: Plan, error: unknown): Promise<string>;
	/** Rows in each of these tables. */
	count(tables: string[]): Promise<number[]>;
}
