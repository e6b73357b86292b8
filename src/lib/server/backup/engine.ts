import type { D1Database, R2Bucket } from '../platform.ts';
import type { Sleep } from '../retry.ts';
import type { SliceSizes } from './dump/bounds.ts';
import type { DumpProgress } from './dump/write-table.ts';
import type { Manifest } from './format/manifest.ts';
import type { BackupKey } from './format/signature.ts';
import type { Encoding } from './storage/codec.ts';

/** What one invocation may use, and how long to wait, before a backup continues in the next one. */
export interface Budget {
	/** Statements that D1 runs. */
	queries: number;
	/**
	 * Calls of D1, each of which runs one or more of them. What follows a complete backup counts those of R2
	 * too.
	 */
	calls: number;
	milliseconds: number;
	/** Statements with which a stage is made, which cannot be done in parts. */
	stage: number;
	/** Bytes of the largest database that is read in one batch. */
	atomicBytes: number;
	/** Bytes of SQL that are read from D1, be they written yet or not. */
	bytes: number;
	/** Rows that all calls for the backup read together: D1 counts them by the day. */
	rowsRead: number;
	/** How long the plan wants the next call to wait, in milliseconds. */
	pause: number;
}

/** Everything that the engine works with. */
export interface Engine {
	database: D1Database;
	/** What the app calls this database. */
	name: string;
	bucket: R2Bucket;
	/** How volumes are stored. */
	encoding: Encoding;
	/** Signs manifests, proofs and tickets, which encrypted backups and backups in steps require. */
	signer: BackupKey | null;
	/**
	 * Each of them is accepted in manifests and proofs, and without an end in tickets too. Without any,
	 * manifests and proofs are not checked.
	 */
	keys: readonly BackupKey[];
	/** What one call may use. */
	budget: Budget;
	/** Days for which a full backup is the parent of differentials; 0 to make full ones only. */
	fullDays: number;
	/** How large the slices of a backup are: those of another size would be no slices of its parent. */
	sliceSizes: SliceSizes;
	/** Bytes of the largest database that is staged while it is in use; 0 for none. */
	stageMaxBytes: number;
	/** Sentences that every manifest carries, besides what is found in the database. */
	warnings: readonly string[];
	/** Milliseconds since 1970. */
	now(): number;
	sleep: Sleep;
}

/** What a running backup reports. */
export type BackupProgress =
	/** A step starts, counted from 1, of the backup of this name. */
	| { event: 'step'; name: string; step: number }
	| ({ event: 'rows' } & DumpProgress)
	/** The database was written to: the dump starts over after a pause. */
	| { event: 'restart'; attempt: number };

/** What may still be done in a call that has completed a backup, and holds its lock. */
export interface Held {
	/** Ensures that the lock is still held. Throws `lock_lost` (409). */
	confirm(): Promise<void>;
	/** Calls of D1 and R2 that may still be made; 0 once the call's time is over. */
	room(): number;
}

/** Work that follows a complete backup under the same lock. Never throws. */
export type AfterBackup = (held: Held) => Promise<void>;

export type ReportProgress = (progress: BackupProgress) => void;

/**
 * The result of a call: the finished backup, or a ticket for the next step, with the seconds to wait
 * before that if the plan wants any.
 */
export type BackupStep =
	{ manifest: Manifest } | { resume: string; retryAfter?: number; progress: StepProgress };

/** How far a backup in steps has come. */
export interface StepProgress {
	name: string;
	/** Steps that are done. */
	step: number;
	/** Tables that are done. */
	tables: number;
	/** Rows and bytes of SQL so far. */
	rows: number;
	sqlBytes: number;
}
