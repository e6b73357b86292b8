import { d1, metered, type MeteredDatabase } from '../database.ts';
import type { Engine, ReportProgress } from '../engine.ts';
import type { Lock } from '../storage/lock.ts';

/** What one call for a backup works with. */
export interface Call {
	engine: Engine;
	lock: Lock;
	/** The engine's database, with a count of what this call has sent to it. */
	database: MeteredDatabase;
	/** Whether a stage of this backup may be in the database. */
	mayHaveStage: boolean;
	/** Milliseconds since 1970. */
	startedAt: number;
	onProgress: ReportProgress;
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
