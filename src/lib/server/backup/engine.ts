import type { D1Database, R2Bucket } from '@cloudflare/workers-types';
import type { Sleep } from '../retry.ts';
import type { DumpProgress } from './dump/script.ts';
import type { Manifest } from './format/manifest.ts';
import type { BackupKey } from './format/signature.ts';
import type { Encoding } from './storage/codec.ts';

/** What one invocation may use up before a backup goes on in the next. */
export interface Budget {
	/** Statements that D1 is asked to run. */
	queries: number;
	milliseconds: number;
	/** Bytes of SQL. */
	bytes: number;
}

/** What the engine works with: nothing else is reached for. */
export interface Engine {
	database: D1Database;
	bucket: R2Bucket;
	/** How volumes are stored; left out: as plain SQL. */
	encoding?: Encoding;
	/** The first signs, any of them opens; left out: nothing is signed or checked. */
	keys?: readonly BackupKey[];
	/** What one call may use up, which takes a key for tickets; left out: no limit. */
	budget?: Budget;
	/** Milliseconds since 1970. */
	now(): number;
	sleep: Sleep;
}

/** What a running backup tells. */
export type BackupProgress =
	/** A step begins, counted from 1, of the backup of this name. */
	| { event: 'step'; name: string; step: number }
	| ({ event: 'rows' } & DumpProgress)
	/** The database was written to: the dump starts over after a pause. */
	| { event: 'restart'; attempt: number };

/** How a call ends: with the backup, or with a ticket for the next step. */
export type BackupStep = { manifest: Manifest } | { resume: string; progress: StepProgress };

/** How far a backup has come that is made in steps. */
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
