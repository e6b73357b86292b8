import { d1 } from '../backup/database.ts';
import { startOf } from '../backup/format/names.ts';
import { dropStage, findStage } from '../backup/stage-tables.ts';
import { mayGoOn, readLock } from '../backup/storage/lock.ts';
import type { Operations } from './index.ts';

const MINUTE_MS = 60_000;

/**
 * Drops the stage that a killed backup has left in the database, once nobody can continue that backup.
 * Returns sentences for the health: about a stage whose backup nobody is working on, none otherwise.
 * Never throws: failures are logged, and the next call or backup tries again.
 *
 * No lock is needed. Only the stage of the backup that was looked up is dropped, and a backup that
 * starts meanwhile makes one of its own.
 */
export async function watchStage(operations: Operations): Promise<string[]> {
	const { bucket, now, sleep } = operations;
	const database = d1(operations.database);
	try {
		const backup = await findStage(database, sleep);
		if (backup === null) return [];
		const held = await readLock(bucket, 'backup');
		const isItsOwn = held?.name === backup;
		if (held && isItsOwn && held.until > now()) return [];
		const left = `A backup that ${startedAt(backup, now())} has left tables in the database.`;
		if (held && isItsOwn && mayGoOn(held, now())) {
			return [`${left} They are dropped once it can no longer be continued.`];
		}
		await dropStage(database, sleep, backup);
		return [`${left} They have been dropped now.`];
	} catch (error) {
		console.error('The database could not be searched for what a killed backup has left:', error);
		return [];
	}
}

/** When a backup started, by its name. */
function startedAt(name: string, now: number): string {
	const time = startOf(name);
	if (Number.isNaN(time)) return 'started at an unknown time';
	return `started ${Math.max(0, Math.round((now - time) / MINUTE_MS))} minutes ago`;
}
