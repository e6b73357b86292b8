import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { printOrphans, readOrphans } from '../../lib/server/backup/restore/orphans.ts';
import type { Survey } from '../../lib/server/backup/restore/survey.ts';
import { LifeboatError, messageOf } from '../../lib/server/errors.ts';
import { Guard } from '../embedded/guard.ts';
import { SqliteDatabase } from '../embedded/sqlite-database.ts';
import { type Context, temporaryFolder } from '../terminal/command.ts';
import type { Backup } from './backup.ts';
import { openAsShell, runScript } from './script.ts';

/**
 * Runs the definitions of a backup, without its rows, in a database in memory: a definition that is not
 * SQL, or that reaches outside, is found before the target is touched. Other errors are left to the target,
 * which may be a newer SQLite. Throws `statement_not_allowed` and `sql_refused` (422).
 */
export function rehearseDefinitions({ definitions }: Survey): void {
	using connection = openAsShell(':memory:');
	const guard = new Guard(connection);
	for (const sql of definitions) {
		try {
			guard.run(sql);
		} catch (error) {
			const message = messageOf(error);
			if (guard.refused !== null) throw refused(guard.refused);
			if (message.endsWith(': syntax error')) throw notSql(sql, message);
		}
	}
}

/** The rows of a backup that refer to rows that do not exist, as sentences. */
export async function orphansIn(backup: Backup, context: Context): Promise<string[]> {
	const path = join(temporaryFolder(), 'scratch.db');
	await runScript(path, backup.name, backup.sql, context, backup.totalBytes);
	using connection = openAsShell(path);
	return printOrphans(await readOrphans(new SqliteDatabase(connection), sleep));
}

function refused(what: string): LifeboatError {
	return new LifeboatError(`${what} is not allowed in a backup. Nothing was changed.`, {
		code: 'statement_not_allowed',
		status: 422,
		hint: 'Use another backup: somebody has changed this one.',
	});
}

function notSql(sql: string, message: string): LifeboatError {
	const shown = JSON.stringify(sql.slice(0, 80));
	return new LifeboatError(`SQLite refuses a definition of the backup, ${shown}: ${message}.`, {
		code: 'sql_refused',
		status: 422,
		hint: 'Nothing was changed. Use another backup: somebody has changed this one.',
	});
}
