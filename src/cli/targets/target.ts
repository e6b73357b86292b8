import type { FileHeader } from '../embedded/sqlite-database.ts';
import type { SqlSource } from '../../lib/server/backup/restore/source.ts';
import type { Survey } from '../../lib/server/backup/restore/survey.ts';

/** The contents that a restore has replaced. */
export interface Kept {
	/** The file that holds them. */
	file: string;
	/** The command that brings them back. */
	undo: string;
}

/** A table of a target; its rows are null if they cannot be counted. */
export interface TargetTable {
	name: string;
	rows: number | null;
}

/** What is in a target. */
export interface Look {
	/** The names of all objects. */
	names: string[];
	tables: TargetTable[];
}

/** A restore of a verified backup. */
export interface Plan {
	sql: SqlSource;
	survey: Survey;
	/** The tables whose rows are restored; null for the whole database. */
	tables: string[] | null;
	/** The previous contents; null if the target was empty. */
	kept: Kept | null;
	/** Numbers for the header of a plain file; null for those of a new one. */
	header: FileHeader | null;
	/** Gets the bytes of SQL done so far, first of the restore, then of the comparison. */
	onProgress(bytes: number, step: 'restore' | 'compare'): void;
}

/** A database to restore into. */
export interface Target {
	/** What the user types to confirm a replacement. */
	name: string;
	/** How a sentence calls it. */
	title: string;
	/** Whether it is a D1 database, which enforces foreign keys and has limits, or a plain SQLite file. */
	kind: 'd1' | 'file';
	/**
	 * The names of all objects in it, without a change to it. Throws `restore_running` (409) during
	 * another restore.
	 */
	contents(): Promise<string[]>;
	/** What is in it, without a change to it or to anything beside it. Throws `restore_running` (409). */
	look(): Promise<Look>;
	/** Saves the contents of a target that is not empty. */
	keep(): Promise<Kept>;
	/**
	 * Replaces the contents with the backup, or the rows of some tables, and compares the result with
	 * what the backup says. Throws `restore_differs` (422).
	 */
	restore(plan: Plan): Promise<void>;
	/** The state of the target after a restore failed with this error, in a sentence. */
	recover(plan: Plan, error: unknown): Promise<string>;
	/** The number of rows in each of these tables. */
	count(tables: string[]): Promise<number[]>;
}
