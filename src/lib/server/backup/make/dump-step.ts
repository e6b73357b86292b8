import { d1 } from '../database.ts';
import { type Fence, Reader } from '../dump/reader.ts';
import { type StepEnd, writeStep } from '../dump/script.ts';
import { dropStage, makeStage } from '../dump/stage/make.ts';
import { stageOf } from '../dump/stage/read.ts';
import type { Engine, ReportProgress } from '../engine.ts';
import { tryRepeatedly } from '../storage/failure.ts';
import type { Lock } from '../storage/lock.ts';
import { VolumeWriter } from '../storage/volume.ts';
import type { Job } from './job.ts';

/** Dumps that are started before a database that keeps changing is given up. */
export const MAX_ATTEMPTS = 5;

/** Of these, the most that read the database itself; the others read a stage. */
export const FENCED_ATTEMPTS = 2;

/**
 * How long the database's counter of changes is enough to show that nobody wrote, in milliseconds. It
 * restarts with the database's object, which happens to an idle one after 70 seconds or more (Durable
 * Objects > Lifecycle); after a longer pause the bookmark must be the same too.
 */
const TRUSTED_PAUSE_MS = 60_000;

/** A step that was dumped: how it ended, and the job after it. */
export interface DumpedStep {
	end: StepEnd;
	job: Job;
}

/**
 * Dumps as much as the budget allows, and stores it as one volume unless there is nothing to write.
 * Throws `SnapshotChanged` if the database was written to since the backup started.
 */
export async function dumpStep(
	engine: Engine,
	lock: Lock,
	job: Job,
	onProgress: ReportProgress,
): Promise<DumpedStep> {
	const { sleep, now } = engine;
	const database = d1(engine.database);
	const from = job.checkpoint?.dump ?? null;
	const until = now() + engine.budget.milliseconds;
	const stage =
		job.staged && from === null ? await makeStage(database, { owner: job.name, sleep, now }) : null;
	const reader = readerOf(engine, job);
	const volume = new VolumeWriter(engine, job.name, lock.tries, job.encoding);
	const script = writeStep(reader, {
		title: title(job.name),
		from,
		stage,
		mustPause: budgetCheck(engine, reader, volume, until),
		onProgress: (progress) => onProgress({ event: 'rows', ...progress }),
	});
	try {
		let chunk = await script.next();
		while (!chunk.done) {
			await volume.write(chunk.value);
			await lock.renew();
			chunk = await script.next();
		}
		const stored = volume.sqlBytes > 0 ? [await volume.finish()] : [];
		const end = chunk.value;
		if (job.staged && 'summary' in end) await tryRepeatedly(() => dropStage(database, sleep));
		const waitedMs = job.waitedMs + (stage?.waitedMs ?? 0);
		const bookmark = job.bookmark ?? stage?.bookmark ?? reader.bookmark;
		return {
			end,
			job: jobAfter(
				{ ...job, waitedMs, bookmark },
				end,
				reader,
				[...job.volumes, ...stored],
				engine.now(),
			),
		};
	} catch (error) {
		await volume.abort();
		throw error;
	}
}

function readerOf({ database, sleep, now }: Engine, job: Job): Reader {
	if (job.staged) return new Reader(stageOf(d1(database), job.name), sleep);
	return new Reader(d1(database), sleep, {
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

/** Whether the budget is used up once so many more queries have run. */
function budgetCheck(
	{ budget, now }: Engine,
	reader: Reader,
	volume: VolumeWriter,
	until: number,
): (queries: number) => boolean {
	return (queries) =>
		reader.cost.queries + queries >= budget.queries ||
		volume.sqlBytes >= budget.bytes ||
		now() >= until;
}

function jobAfter(
	job: Job,
	end: StepEnd,
	reader: Reader,
	volumes: Job['volumes'],
	now: number,
): Job {
	const { queries, rowsRead } = reader.cost;
	const isDone = 'summary' in end;
	return {
		...job,
		step: job.step + 1,
		checkpoint: isDone ? null : { dump: end.checkpoint, fence: reader.fence, at: now },
		volumes,
		cost: {
			queries: job.cost.queries + queries,
			rowsRead: job.cost.rowsRead + rowsRead,
		},
	};
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
