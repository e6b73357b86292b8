import type { Engine } from '../engine.ts';
import { startOf } from '../format/names.ts';
import { type HeldLock, mayGoOn, readLock } from '../storage/lock.ts';
import { type Job, readJob, TICKET_MS } from './job.ts';

/** How far a backup is that is being made. Times are in milliseconds since 1970. */
export interface RunningBackup {
	name: string;
	startedAt: number;
	/** When its next step may be taken, if it waits for that; null while somebody works on it. */
	resumesAt: number | null;
	/** The step that is running or comes next, from 1, and dumps that were begun. */
	step: number;
	attempt: number;
	/** What the steps before have done. */
	tables: number;
	rows: number;
	sqlBytes: number;
	/** The table that is next; null before the first step is done. */
	table: string | null;
}

/**
 * The backup that is being made, as its lock shows it; null if there is none. Throws `storage_error` (500).
 */
export async function readRunning(
	engine: Pick<Engine, 'bucket' | 'keys' | 'now' | 'budget'>,
): Promise<RunningBackup | null> {
	const held = await readLock(engine.bucket, 'backup');
	const startedAt = startOf(held?.name ?? '');
	if (held === null || Number.isNaN(startedAt) || !mayGoOn(held, engine.now())) return null;
	const { name, waiting, until, tries } = held;
	const isOver = !waiting && until <= engine.now(); // a step that died, which its ticket may repeat
	const job = await jobOf(engine, held);
	return {
		name,
		startedAt,
		resumesAt: waiting ? until - TICKET_MS : isOver ? until : null,
		step: job?.step ?? tries,
		attempt: job?.attempts ?? 1,
		...doneBy(job),
	};
}

/** Null before the first step is done, and for a job that this app cannot open. */
async function jobOf({ keys }: Pick<Engine, 'keys'>, held: HeldLock): Promise<Job | null> {
	if (held.state === null) return null;
	try {
		return await readJob(keys, held.state, held.name);
	} catch {
		return null;
	}
}

function doneBy(job: Job | null): Pick<RunningBackup, 'tables' | 'rows' | 'sqlBytes' | 'table'> {
	const { tables = [], current = null } = job?.checkpoint?.dump ?? {};
	const rows = tables.reduce((sum, table) => sum + table.rows, current?.digest.rows ?? 0);
	return {
		tables: tables.length,
		rows,
		sqlBytes: job?.sqlBytes ?? 0,
		table: current?.name ?? null,
	};
}
