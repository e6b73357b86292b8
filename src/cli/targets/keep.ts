import { type FileHandle, open, rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SqlDatabase } from '../../lib/server/backup/database.ts';
import { SnapshotChanged } from '../../lib/server/backup/dump/reader.ts';
import { writeWhole } from '../../lib/server/backup/dump/whole.ts';
import { LifeboatError } from '../../lib/server/errors.ts';
import { retry } from '../../lib/server/retry.ts';
import type { Context } from '../terminal/command.ts';

/** Attempts to dump a database that keeps changing. */
const MAX_ATTEMPTS = 5;
/** After the first attempt; longer after each further one. */
const PAUSE_MS = 500;
/** Only the owner reads and writes. */
const MODE = 0o600;

/**
 * Writes a database into a new SQL file, as a backup does. All or nothing: a failed dump leaves no
 * file. Throws `snapshot_unstable` (409) if others kept writing, and what reading throws.
 */
export async function keepDatabase(
	database: SqlDatabase,
	path: string,
	{ signal, progress }: Context,
): Promise<void> {
	const file = await open(path, 'wx', MODE);
	try {
		await dumpUndisturbed(database, file, signal, (bytes) => progress.bytes(bytes, 0));
		await file.sync(); // the database is about to be replaced
	} catch (error) {
		await rm(path);
		throw error;
	} finally {
		await file.close();
		progress.clear();
	}
}

/** The current time for the name of a file, which on Windows has no colons. */
export function timeForNames(): string {
	return new Date().toISOString().replaceAll(':', '-');
}

/** Starts over when the database was written to meanwhile. */
function dumpUndisturbed(
	database: SqlDatabase,
	file: FileHandle,
	signal: AbortSignal,
	onProgress: (bytes: number) => void,
): Promise<void> {
	const pauseAfter = (error: unknown, tries: number) => {
		if (!(error instanceof SnapshotChanged)) return null;
		if (tries === MAX_ATTEMPTS) throw unstable(error);
		return PAUSE_MS * tries;
	};
	return retry(() => dump(database, file, signal, onProgress), pauseAfter, sleep);
}

async function dump(
	database: SqlDatabase,
	file: FileHandle,
	signal: AbortSignal,
	onProgress: (bytes: number) => void,
): Promise<void> {
	await file.truncate();
	const title = [
		`Lifeboat full backup of a D1 database before a restore, ${new Date().toISOString()}`,
		'Restore into an empty database with either of:',
		'  sqlite3 restored.db < FILE',
		'  wrangler d1 execute NEW_DATABASE --remote --file FILE',
	];
	let position = 0;
	for await (const chunk of writeWhole(database, { title, sleep })) {
		signal.throwIfAborted();
		await file.write(chunk, 0, chunk.length, position);
		onProgress((position += chunk.length));
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
