import { usageError } from '../terminal/arguments.ts';
import { type Context, printError } from '../terminal/command.ts';
import { EXIT, exitCode } from '../terminal/errors.ts';
import { print } from '../terminal/print.ts';
import { apiOf, type BackupApi, FROM_HELP } from './api.ts';

/** The options that say of which app and database. */
export const DATABASE_OPTIONS = {
	from: { type: 'string' },
	database: { type: 'string' },
	all: { type: 'boolean', default: false },
	json: { type: 'boolean', default: false },
} as const;

/** How help explains them. */
export const DATABASE_HELP = `${FROM_HELP}
  --database NAME    of this database of the app; otherwise of its first one
  --all              of all its databases, one after the other; one that fails does not stop the others
  --json             print one JSON object a line for each database, and nothing else on standard output`;

/** Of which app and database. */
export interface Databases {
	from?: string | undefined;
	database?: string | undefined;
	all: boolean;
	json: boolean;
}

/** Throws `usage` (400) for both one database and all of them. */
export function requireOneOrAll(command: string, { database, all }: Databases): void {
	if (!all || database === undefined) return;
	throw usageError(command, 'Either --all or --database, not both.');
}

/**
 * Does some work for a database, or for each of the app's databases; one that fails does not stop the
 * others. Returns the exit code of the worst. Throws what the work throws, for one database.
 */
export async function forDatabases(
	{ from, database, all, json }: Databases,
	context: Context,
	work: (api: BackupApi, database: string | undefined) => Promise<number>,
): Promise<number> {
	const { signal } = context;
	const names = all ? ((await apiOf(from, signal).page()).databases ?? []) : [];
	if (names.length < 2) return work(apiOf(from, signal, database), database);
	const codes: number[] = [];
	for (const name of names) {
		if (!json) print(['', `Database ${name}`, '']);
		try {
			codes.push(await work(apiOf(from, signal, name), name));
		} catch (error) {
			signal.throwIfAborted();
			codes.push(exitCode(printError(error)));
		}
	}
	return Math.max(...codes, EXIT.good);
}
