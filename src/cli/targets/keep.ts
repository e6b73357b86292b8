import { setTimeout as sleep } from 'node:timers/promises';
import type { SqlDatabase } from '../../lib/server/backup/database.ts';
import { SnapshotChanged } from '../../lib/server/backup/dump/reader.ts';
import { writeWhole } from '../../lib/server/backup/dump/whole.ts';
import { LifeboatError } from '../../lib/server/errors.ts';
import { retry } from '../../lib/server/retry.ts';
import type { Context } from '../terminal/command.ts';
import { endingFor, writeKept } from './kept.ts';

/** Attempts to dump a database that keeps changing. */
const MAX_ATTEMPTS = 5;
/** After the first attempt; longer after each further one. */
const PAUSE_MS = 500;

/**
 * Writes a database into a new SQL file, as a backup does, encrypted if there are recipients. All or
 * nothing: a failed dump leaves no file, and one that is there is complete. Starts over when the database
 * was written to meanwhile. Throws `snapshot_unstable` (409) if others kept writing, and what reading and
 * {@link writeKept} throw.
 */
export async function keepDatabase(
	database: SqlDatabase,
	path: string,
	context: Context,
	recipients: string[] = [],
): Promise<void> {
	const pauseAfter = (error: unknown, tries: number) => {
		if (!(error instanceof SnapshotChanged)) return null;
		if (tries === MAX_ATTEMPTS) throw unstable(error);
		return PAUSE_MS * tries;
	};
	const write = () => writeKept(path, dump(database, context), recipients);
	await retry(write, pauseAfter, sleep).finally(() => context.progress.clear());
}

/** The name of the file in the current folder that keeps a D1 database: on Windows it has no colons. */
export function keptName(recipients: string[]): string {
	return `before-restore-${timeForNames()}.sql${endingFor(recipients)}`;
}

/** The current time for the name of a file. */
export function timeForNames(): string {
	return new Date().toISOString().replaceAll(':', '-');
}

async function* dump(database: SqlDatabase, { signal, progress }: Context) {
	const title = [
		`Lifeboat full backup of a D1 database before a restore, ${new Date().toISOString()}`,
		'Restore into an empty database with either of:',
		'  sqlite3 restored.db < FILE',
		'  wrangler d1 execute NEW_DATABASE --remote --file FILE',
	];
	let bytes = 0;
	for await (const chunk of writeWhole(database, { title, sleep })) {
		signal.throwIfAborted();
		progress.bytes((bytes += chunk.length), 0);
		yield chunk;
	}
}

function unstable(cause: SnapshotChanged): LifeboatError {
	return new LifeboatError(
		'The database was written to during every attempt to save its contents.',
		{
			code: 'snapshot_unstable',
			status: 409,
			hint: 'Nothing was changed. Stop the app, and try again.',
			retryable: true,
			cause,
		},
	);
}
