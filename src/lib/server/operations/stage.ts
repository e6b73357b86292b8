import { d1 } from '../backup/database.ts';
import { startOf } from '../backup/format/names.ts';
import { dropStage, findStage } from '../backup/stage-tables.ts';
import { mayGoOn, readLock } from '../backup/storage/lock.ts';
import type { Operations } from './index.ts';

const MINUTE_MS = 60_000;

/** A stage in the database whose backup nobody is working on. */
interface LeftStage {
	/** The name of its backup. */
	backup: string;
	/** Whether that backup can still be continued. */
	mayGoOn: boolean;
	/** That it is there. */
	sentence: string;
}

const WAITS = 'They are dropped once it can no longer be continued.';

/**
 * Drops the stage that a killed backup has left in the database, once nobody can continue that backup.
 * Returns sentences for the health: about a stage whose backup nobody is working on, none otherwise.
 * Never throws: failures are logged, and the next call or backup tries again.
 *
 * No lock is needed. Only the stage of the backup that was looked up is dropped, and a backup that
 * starts meanwhile makes one of its own.
 */
export function watchStage(operations: Operations): Promise<string[]> {
	return aboutStage(operations, async ({ backup }) => {
		await dropStage(d1(operations.database), operations.sleep, backup);
		return 'They have been dropped now.';
	});
}

/** The same for a page, which drops nothing. Never throws: failures are logged. */
export function readLeftStage(operations: Operations): Promise<string[]> {
	return aboutStage(operations, async () => 'The next backup drops them.');
}

/** Sentences about a stage that is left; `end` does with it what its sentence says. */
async function aboutStage(
	operations: Operations,
	end: (left: LeftStage) => Promise<string>,
): Promise<string[]> {
	try {
		const left = await findLeft(operations);
		return left ? [`${left.sentence} ${left.mayGoOn ? WAITS : await end(left)}`] : [];
	} catch (error) {
		console.error('The database could not be searched for what a killed backup has left:', error);
		return [];
	}
}

/** Null if there is no stage, or its backup is being made. */
async function findLeft({ bucket, database, now, sleep }: Operations): Promise<LeftStage | null> {
	const backup = await findStage(d1(database), sleep);
	if (backup === null) return null;
	const held = await readLock(bucket, 'backup');
	const own = held?.name === backup ? held : null;
	if (own && own.until > now()) return null;
	const sentence = `A backup that ${startedAt(backup, now())} has left tables in the database.`;
	return { backup, sentence, mayGoOn: own !== null && mayGoOn(own, now()) };
}

/** When a backup started, by its name. */
function startedAt(name: string, now: number): string {
	const time = startOf(name);
	if (Number.isNaN(time)) return 'started at an unknown time';
	return `started ${Math.max(0, Math.round((now - time) / MINUTE_MS))} minutes ago`;
}
