import { LifeboatError } from '../../errors.ts';
import type { Engine, ReportProgress } from '../engine.ts';
import { d1 } from '../database.ts';
import { countedBucket, metered, type MeteredDatabase } from '../metered.ts';
import type { Lock } from '../storage/lock.ts';
import type { Job } from './job.ts';

/** What one call for a backup works with. */
export interface Call {
	engine: Engine;
	lock: Lock;
	/** The engine's database, with counts of what this call has used of it. */
	database: MeteredDatabase;
	/** The job as a repetition of this step would find it. */
	job: Job;
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

/** An engine of which the calls are counted. */
export interface Measured {
	engine: Engine;
	database: MeteredDatabase;
	/** Calls of D1 and R2 that are left of the budget; none once its time is over. */
	room(): number;
}

/** The engine for a call that begins now. */
export function measured(unmeasured: Engine): Measured {
	const { budget, now, bucket } = unmeasured;
	const startedAt = now();
	const used = { calls: 0 };
	const engine = { ...unmeasured, bucket: countedBucket(bucket, used) };
	const database = metered(d1(engine.database));
	const left = () => budget.calls - used.calls - database.calls;
	return { engine, database, room: () => (now() - startedAt < budget.milliseconds ? left() : 0) };
}

/** A call that begins now. */
export function beginCall(
	engine: Engine,
	lock: Lock,
	job: Job,
	{ onProgress, database }: Pick<Call, 'onProgress' | 'database'>,
): Call {
	const startedAt = engine.now();
	return { engine, lock, database, job, mayHaveStage: job.staged, startedAt, onProgress };
}
