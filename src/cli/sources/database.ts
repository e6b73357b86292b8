import { type BigIntStats, chmodSync, constants, copyFileSync, createWriteStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { DatabaseSync } from 'node:sqlite';
import { pipeline } from 'node:stream/promises';
import type { SqlSource } from '../../lib/server/backup/restore/source.ts';
import { LifeboatError, messageOf } from '../../lib/server/errors.ts';
import { Guard } from '../embedded/guard.ts';
import type { Context } from '../terminal/command.ts';
import { openAsShell } from './script.ts';

/** Only the owner reads and writes. */
const MODE = 0o600;
/** What a database has not taken over yet (SQLite: Temporary Files Used By SQLite). */
const LOGS = ['-wal', '-journal'];

/** Problems that a row may have had before: its values are restored as they are. */
const OF_VALUES = /value in|CHECK constraint/;

/**
 * Copies an SQLite database, with the log that another program may not have finished, to `path`, and has
 * SQLite check the copy. The database itself is only read.
 *
 * Throws `file_changing` (409) if it was written to meanwhile, `database_utf16` and `backup_damaged` (422).
 */
export async function copyDatabase(
	name: string,
	source: { path: string } | SqlSource,
	path: string,
	{ signal }: Context,
): Promise<void> {
	if ('path' in source) await copyFiles(name, source.path, path);
	else
		await pipeline(source.open(), createWriteStream(path, { flags: 'wx', mode: MODE }), { signal });
	try {
		using connection = openAsShell(path);
		new Guard(connection);
		requireSound(connection, name);
	} catch (error) {
		throw error instanceof LifeboatError ? error : damaged(name, messageOf(error));
	}
}

async function copyFiles(name: string, from: string, to: string): Promise<void> {
	const before = await versionOf(from);
	for (const suffix of ['', ...LOGS]) {
		try {
			copyFileSync(from + suffix, to + suffix, constants.COPYFILE_FICLONE);
			chmodSync(to + suffix, MODE);
		} catch (error) {
			if (suffix === '' || !isMissing(error)) throw error;
		}
	}
	if ((await versionOf(from)) === before) return;
	throw new LifeboatError(`${name} was written to while it was read. Nothing was changed.`, {
		code: 'file_changing',
		status: 409,
		hint: 'Stop the program that uses it, and try again.',
	});
}

/** Changes whenever the database or one of its logs does. */
async function versionOf(path: string): Promise<string> {
	const found = await Promise.all(
		['', ...LOGS].map((suffix) =>
			stat(path + suffix, { bigint: true }).catch((error: unknown) => {
				if (isMissing(error)) return null;
				throw error;
			}),
		),
	);
	return found.map((file: BigIntStats | null) => `${file?.size} ${file?.mtimeNs}`).join();
}

function isMissing(error: unknown): boolean {
	return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}

function requireSound(connection: DatabaseSync, name: string): void {
	// hex() prints the bytes of text as the database stores it, which a backup cannot do in UTF-16.
	if (connection.prepare(`SELECT hex('a') AS h`).get()?.['h'] !== '61') throw utf16(name);
	const problems = connection
		.prepare('SELECT quick_check AS problem FROM pragma_quick_check')
		.all()
		.map(({ problem }) => String(problem));
	const found = problems.find((problem) => problem !== 'ok' && !OF_VALUES.test(problem));
	if (found !== undefined) throw damaged(name, found);
}

function utf16(name: string): LifeboatError {
	return new LifeboatError(`${name} is a database that stores its text in UTF-16.`, {
		code: 'database_utf16',
		status: 422,
		hint: 'Nothing was changed. Restore its dump instead: sqlite3 FILE .dump > dump.sql',
	});
}

function damaged(name: string, problem: string): LifeboatError {
	return new LifeboatError(`${name} is a damaged SQLite database: ${problem}.`, {
		code: 'backup_damaged',
		status: 422,
		hint: 'Nothing was changed. Use another backup, or try `sqlite3 FILE .recover > recovered.sql`.',
	});
}
