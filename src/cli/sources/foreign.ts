import { createWriteStream, rmSync } from 'node:fs';
import { readFile as readWhole } from 'node:fs/promises';
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { Reader } from '../../lib/server/backup/dump/reader.ts';
import { writeScript } from '../../lib/server/backup/dump/script.ts';
import { type Orphans, readOrphans } from '../../lib/server/backup/restore/orphans.ts';
import type { SqlSource } from '../../lib/server/backup/restore/source.ts';
import { RESTORE_MARKER } from '../../lib/server/backup/sql.ts';
import { LifeboatError } from '../../lib/server/errors.ts';
import { Guard } from '../embedded/guard.ts';
import { type FileHeader, readHeader, SqliteDatabase } from '../embedded/sqlite-database.ts';
import { type Context, temporaryFolder } from '../terminal/command.ts';
import { copyDatabase } from './database.ts';
import { readFile } from './disk.ts';
import { empty } from './kind.ts';
import { type LargeValues, readLargeValues } from './large-values.ts';
import { openAsShell, runScript } from './script.ts';

/** Only the owner reads and writes. */
const MODE = 0o600;

/** What is known of a file that another program wrote, from the database that SQLite makes of it. */
export interface Foreign {
	header: FileHeader;
	orphans: Orphans;
	largeValues: LargeValues;
}

/** Such a file as a backup of our own. */
export interface Converted {
	sql: SqlSource;
	totalBytes: number;
	foreign: Foreign;
}

/**
 * Runs an SQL file of another program in a scratch database on this machine, and dumps that as Lifeboat
 * does. All files in between are private, and removed when the process ends.
 *
 * Throws what {@link runScript} and the dump throw, and `file_empty` (422).
 */
export async function convertScript(
	name: string,
	source: SqlSource,
	totalBytes: number,
	context: Context,
): Promise<Converted> {
	context.progress.step(`read: ${name}, which another program wrote, with SQLite`);
	const path = join(temporaryFolder(), 'scratch.db');
	await runScript(path, name, source, context, totalBytes);
	return convert(path, name, context);
}

/**
 * The same for an SQLite database. It is copied first, so that neither it nor the files beside it change.
 * Throws what {@link copyDatabase} and the dump throw, and `file_empty` (422).
 */
export async function convertDatabase(
	name: string,
	source: { path: string } | SqlSource,
	context: Context,
): Promise<Converted> {
	context.progress.step(`read: ${name}, an SQLite database`);
	const path = join(temporaryFolder(), 'scratch.db');
	await copyDatabase(name, source, path, context);
	return convert(path, name, context);
}

/** Dumps the scratch database, and removes it. */
async function convert(path: string, name: string, context: Context): Promise<Converted> {
	context.progress.step(`convert: ${name} into a backup`);
	const file = `${path}.sql`;
	// A new connection, which sees what the script has written into sqlite_schema.
	const { foreign, bytes } = await withConnection(path, async (connection) => {
		const database = new SqliteDatabase(connection);
		const bytes = await dump(database, name, file, context);
		const facts: Foreign = {
			header: readHeader(connection),
			orphans: await readOrphans(database, sleep),
			largeValues: await readLargeValues(database),
		};
		return { foreign: facts, bytes };
	});
	for (const suffix of ['', '-journal', '-wal', '-shm']) rmSync(path + suffix, { force: true });
	const sql = { open: () => chunksOf(file, context.signal) };
	return { sql, totalBytes: bytes, foreign };
}

async function withConnection<T>(
	path: string,
	work: (connection: DatabaseSync) => Promise<T>,
): Promise<T> {
	using connection = openAsShell(path);
	new Guard(connection);
	refuseUnusable(connection);
	return await work(connection);
}

/** Throws `file_empty` and `restore_refused` (422). */
function refuseUnusable(connection: DatabaseSync): void {
	const names = connection.prepare('SELECT lower(name) AS name FROM sqlite_schema').all();
	if (names.length === 0) throw empty('The file makes no table, nor anything else.');
	if (!names.some(({ name }) => name === RESTORE_MARKER)) return;
	throw new LifeboatError(
		`The file has an object named ${RESTORE_MARKER}, a name that restores need. Nothing was changed.`,
		{
			code: 'restore_refused',
			status: 422,
			hint: 'Rename it in the file, or restore the file with `sqlite3 restored.db < FILE`.',
		},
	);
}

/** Writes the database as a backup. Returns the bytes of SQL. */
async function dump(
	database: SqliteDatabase,
	name: string,
	path: string,
	{ signal, progress }: Context,
): Promise<number> {
	const title = [`Lifeboat full backup of ${JSON.stringify(name)}`];
	const script = writeScript(new Reader(database, sleep), { title });
	let bytes = 0;
	const counted = async function* () {
		for await (const chunk of script) {
			progress.bytes((bytes += chunk.length), 0);
			yield chunk;
		}
	};
	await pipeline(counted, createWriteStream(path, { flags: 'wx', mode: MODE }), { signal });
	progress.clear();
	return bytes;
}

async function* chunksOf(path: string, signal: AbortSignal): AsyncGenerator<Uint8Array> {
	yield* (await readFile(path, signal)) ?? [await readWhole(path)];
}
