import { LifeboatError } from '../../errors.ts';
import { ALL_TERMS } from '../dump/inspect.ts';
import { type Fence, Reader, SnapshotChanged } from '../dump/reader.ts';
import { type DumpSummary, type StepEnd, type StepOptions, writeStep } from '../dump/script.ts';
import { makeStage, type Stage } from '../dump/stage/make.ts';
import { stageOf } from '../dump/stage/read.ts';
import { stageOwner } from '../stage-tables.ts';
import { MAX_VALUE_BYTES } from '../limits.ts';
import { type Call, requireRows } from './call.ts';
import type { Job } from './job.ts';
import { type Base, NeedsFull, openBase } from './parent.ts';
import { SliceWriter } from './slices.ts';

/** Dumps that are started before a database that keeps changing is given up. */
export const MAX_ATTEMPTS = 5;
/**
 * How long the database's counter of changes is enough to show that nobody wrote, in milliseconds. It
 * restarts with the database's object, which happens to an idle one after 70 seconds or more (Durable
 * Objects > Lifecycle); after a longer pause the bookmark must be the same too.
 */
const TRUSTED_PAUSE_MS = 60_000;

/** The most rows that a full backup is expected to read, as a multiple of those for its predecessor. */
const MOST_GROWTH = 2;

/** The job after a step, and what the dump found if that was its last one. */
export interface DumpedStep {
	summary: DumpSummary | null;
	job: Job;
}

/**
 * Dumps as much as the budget allows, and stores it as one volume unless there is nothing to write.
 * Throws {@link SnapshotChanged} if the database was written to since the backup started, NeedsStage if
 * it should be staged, {@link NeedsFull} if too much is new for a differential, and `snapshot_unstable` (409) if
 * it could not be staged.
 */
export async function dumpStep(call: Call, job: Job): Promise<DumpedStep> {
	const { engine, lock, onProgress } = call;
	const base = job.parent && (await openBase(engine, job.parent));
	const from = job.checkpoint?.dump ?? null;
	const stage = job.staged && from === null ? await stageFor(call, job) : null;
	const reader = readerOf(call, job, stage?.owner ?? from?.stage?.owner ?? null);
	const slices = new SliceWriter(engine, job, lock.tries, base);
	const script = writeStep(reader, {
		title: title(job.name),
		from,
		stage,
		terms: readableTerms(call, job),
		atomicBytes: engine.budget.atomicBytes,
		mustPause: budgetCheck(call),
		onProgress: (progress) => onProgress({ event: 'rows', ...progress }),
		onSliceEnd: (slice) => slices.end(slice),
		sliceSizes: engine.sliceSizes,
	});
	try {
		let chunk = await script.next();
		while (!chunk.done) {
			await slices.write(chunk.value);
			requireRows(call, job);
			if (slices.isMostlyNew && mayStartOver(call, job, base)) throw new NeedsFull();
			await lock.renew();
			chunk = await script.next();
		}
		const done = { ...afterReading(job, stage, reader), ...(await storedIn(slices, job)) };
		return jobAfter(done, chunk.value, reader, engine.now());
	} catch (error) {
		await slices.abort();
		throw error;
	}
}

/** What a job has once the slices of this step are stored. */
async function storedIn(slices: SliceWriter, job: Job) {
	const volume = await slices.finish();
	return {
		volumes: volume ? [...job.volumes, volume] : job.volumes,
		slices: slices.slices,
		runs: slices.runs,
		sqlBytes: slices.sqlBytes,
		openSlice: slices.openSlice,
	};
}

/** Whether a full backup may read the rows again that this call and those before it have read. */
function mayStartOver({ engine, database }: Call, { cost }: Job, base: Base | null): boolean {
	const again = MOST_GROWTH * (base?.rowsRead ?? 0);
	return cost.rowsRead + database.rowsRead + again <= engine.budget.rowsRead;
}

/** Of which FTS5 indexes the terms are worth a stage, even if nobody writes. */
function readableTerms({ engine }: Call, { terms }: Job): StepOptions['terms'] {
	const { stageMaxBytes } = engine;
	return stageMaxBytes > 0 && terms !== 'left out'
		? { ...ALL_TERMS, maxBytes: stageMaxBytes }
		: null;
}

/** Makes the stage of a job, once it is certain that this call still holds the lock. */
async function stageFor(call: Call, job: Job): Promise<Stage> {
	const { engine, lock, database } = call;
	const { sleep, now, budget } = engine;
	await lock.confirm();
	call.mayHaveStage = true;
	const owner = stageOwner(job.name, lock.tries);
	const room = () => budget.stage - database.sent;
	const mayRead = (rows: number) => requireRows(call, job, rows);
	try {
		return await makeStage(database, { owner, sleep, now, room, mayRead });
	} catch (error) {
		throw error instanceof SnapshotChanged ? unstable(error) : error;
	}
}

function readerOf({ engine, database }: Call, job: Job, stageOwner: string | null): Reader {
	const { sleep, now } = engine;
	if (stageOwner !== null) return new Reader(stageOf(database, stageOwner), sleep);
	return new Reader(database, sleep, {
		fence: fenceOf(job, now()),
		// Not in the last attempt, in case bookmarks move without a write and disturb every attempt.
		watchBookmark: job.attempts < MAX_ATTEMPTS,
	});
}

/** What the first query of a step must find; null in the first step. */
function fenceOf({ checkpoint }: Job, now: number): Fence | null {
	if (checkpoint === null) return null;
	const { fence, at } = checkpoint;
	return now - at <= TRUSTED_PAUSE_MS ? fence : { ...fence, needsBookmark: true };
}

/**
 * Whether the budget is used up once so many more queries have run, or one more page is read: pages
 * are read ahead of what is written.
 */
function budgetCheck({ engine, database, startedAt }: Call): (queries: number) => boolean {
	const { budget, now } = engine;
	return (queries) =>
		database.sent + queries >= budget.queries ||
		database.calls + 1 >= budget.calls || // the end of the dump is one call
		database.bytesRead + MAX_VALUE_BYTES > budget.bytes ||
		now() - startedAt >= budget.milliseconds;
}

/** The job with what reading and staging have cost, and the bookmark of its state. */
function afterReading(job: Job, stage: Stage | null, reader: Reader): Job {
	const { queries, rowsRead, rowsWritten = 0 } = job.cost;
	const cost = {
		queries: queries + reader.cost.queries + (stage?.cost.queries ?? 0),
		rowsRead: rowsRead + reader.cost.rowsRead + (stage?.cost.rowsRead ?? 0),
	};
	const written = rowsWritten + (stage?.rowsWritten ?? 0);
	return {
		...job,
		bookmark: job.bookmark ?? stage?.bookmark ?? reader.bookmark,
		waitedMs: stage?.waitedMs ?? job.waitedMs,
		cost: written > 0 ? { ...cost, rowsWritten: written } : cost,
	};
}

function jobAfter(job: Job, end: StepEnd, reader: Reader, now: number): DumpedStep {
	const next = { ...job, step: job.step + 1 };
	if ('summary' in end) return { summary: end.summary, job: { ...next, checkpoint: null } };
	const checkpoint = { dump: end.checkpoint, fence: reader.fence, at: now };
	return { summary: null, job: { ...next, checkpoint } };
}

/** `snapshot_unstable` (409): others kept writing. */
export function unstable(cause: SnapshotChanged): LifeboatError {
	return new LifeboatError('The database was written to during every attempt to read it.', {
		code: 'snapshot_unstable',
		status: 409,
		hint: 'Nothing was stored. Try again at a quieter time. If nobody is writing, run `npm run doctor` to check whether backups can rely on the database.',
		retryable: true,
		retryAfter: 60,
		cause,
	});
}

/** Comments at the top of the first volume. */
function title(name: string): string[] {
	const [, startedAt] = /_backup_(.*)$/.exec(name) ?? [];
	return [
		`Lifeboat full backup of D1 database "DB", ${startedAt}`,
		'Restore into an empty database with either of:',
		'  sqlite3 restored.db < FILE',
		'  wrangler d1 execute NEW_DATABASE --remote --file FILE',
	];
}
