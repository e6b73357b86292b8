import type { BackupKind, BackupRow, LogEntry, Moment, ProofResult } from './types.ts';

// What the page of one backup shows.

/** A table in a backup. */
export interface TableRow {
	name: string;
	rows: number;
	bytes: number;
	/** The same table in the backup before; null if it is new, or there is none. */
	before: { rows: number; bytes: number } | null;
}

/** An object in the bucket with a part of the SQL. */
export interface VolumeRow {
	key: string;
	bytes: number;
	sqlBytes: number;
	sha256: string;
}

/** A verification or a drill. */
export interface ProofRow extends ProofResult {
	kind: 'verify' | 'drill';
	/** Where it ran: `worker` for the app itself. */
	by: string;
	durationMs: number;
	differences: string[];
}

/** All about one backup. */
export interface BackupDetail extends BackupRow {
	finishedAt: Moment;
	/** The binding of the database. */
	database: string;
	/** How many dumps were begun, and for how long other queries waited, if it is staged. */
	attempts: number;
	waitedMs: number | null;
	/** D1's Time Travel bookmark of this state. */
	bookmark: string | null;
	/** The name of the backup before, with which tables are compared; null if there is none. */
	previous: string | null;
	tables: TableRow[];
	/** Tables of the backup before that are gone. */
	gone: { name: string; rows: number; bytes: number }[];
	volumes: VolumeRow[];
	warningTexts: string[];
	/** Newest first. */
	proofs: ProofRow[];
	/** Newest first. */
	log: LogEntry[];
	/** The full backup that it rests on. */
	parent: string | null;
	/** The differentials that rest on it. */
	dependants: string[];
	/** The age public keys that open it. */
	recipients: string[];
	version: string;
}

/** What commands to restore a backup are made from. */
export interface RestoreFacts {
	name: string;
	kind: BackupKind;
	startedAt: Moment;
	/** The origin of the app. */
	app: string;
	/** What the app calls the database; null if it has only one. */
	database: string | null;
	/** The files to download, in order, such as `full_backup_….sql.gz.age`. */
	files: string[];
	/** The keys of all objects that a restore from the bucket needs, those of the parent included. */
	objects: string[];
	/** For Time Travel; null if D1 gave none. */
	bookmark: string | null;
}
