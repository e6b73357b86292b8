import { LifeboatError } from '../../errors.ts';
import { d1 } from '../database.ts';
import type { Engine, ReportProgress } from '../engine.ts';
import { metered, type MeteredDatabase } from '../metered.ts';
import type { Lock } from '../storage/lock.ts';
import type { Job } from './job.ts';

/** What one call for a backup works with. */
export interface Call {
	engine: Engine;
	lock: Lock;
	/** The engine's database, with counts of what this call has used of it. */
	database: MeteredDatabase;
	/** Whether a stage of this backup may be in the database. */
	mayHaveStage: boolean;
	/** Milliseconds since 1970. */
	startedAt: number;
	onProgress: ReportProgress;
}

/**
 * Throws `too_many_rows` (409) if this call for a job, or so many rows more, exceed what the backup may
 * read: D1 would answer nobody until midnight, neither the backup nor the app.
 */
export function requireRows({ engine, database }: Call, { cost }: Job, more = 0): void {
	const most = engine.budget.rowsRead;
	if (cost.rowsRead + database.rowsRead + more <= most) return;
	throw new LifeboatError(
		`This backup would read more than ${most.toLocaleString('en')} rows, most of what D1 reads in a day on the free plan.`,
		{
			code: 'too_many_rows',
			status: 409,
			hint: 'Nothing was stored. If others were writing, try again tomorrow at a quieter time: each attempt reads the rows again. Otherwise move the account to the paid plan and set BACKUP_PLAN to paid.',
		},
	);
}

/** A call that begins now. */
export function beginCall(
	engine: Engine,
	lock: Lock,
	{ onProgress, mayHaveStage }: Pick<Call, 'onProgress' | 'mayHaveStage'>,
): Call {
	const database = metered(d1(engine.database));
	return { engine, lock, database, mayHaveStage, startedAt: engine.now(), onProgress };
}
