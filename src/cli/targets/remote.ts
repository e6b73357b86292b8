import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { SqlDatabase } from '../../lib/server/backup/database.ts';
import { restoreBy } from '../../lib/server/backup/restore/apply.ts';
import { TRANSACTION_BYTES } from '../../lib/server/backup/restore/transactions.ts';
import { LifeboatError } from '../../lib/server/errors.ts';
import { type Context, temporaryFolder } from '../terminal/command.ts';
import { EmbeddedDatabase } from '../embedded/database.ts';
import { run } from '../terminal/run.ts';
import { shellWord } from '../terminal/text.ts';
import {
	compareDatabase,
	countRows,
	keepInFile,
	lookInto,
	namesIn,
	optionsOf,
	restoreDatabase,
	restoreRows,
	stateOf,
	UNCHANGED,
} from './d1.ts';
import type { Kept, Plan, Target } from './target.ts';

/** Only the owner reads and writes. */
const MODE = 0o600;

/** A D1 database on Cloudflare, by its name. Needs wrangler to be signed in. */
export async function openRemote(name: string, context: Context): Promise<Target> {
	return remoteTarget(name, await connectRemote(name, context), context);
}

/** Connects to such a database. Throws `wrangler_failed` (500) if there is none of that name. */
export async function connectRemote(name: string, context: Context): Promise<EmbeddedDatabase> {
	const { uuid } = JSON.parse(await wrangler(['d1', 'info', name, '--json'], context)) as {
		uuid: string;
	};
	return new EmbeddedDatabase({ kind: 'remote', id: uuid });
}

/** The target with this connection. */
export function remoteTarget(name: string, database: SqlDatabase, context: Context): Target {
	return {
		name,
		title: `the database ${name} on Cloudflare`,
		kind: 'd1',
		contents: () => namesIn(database),
		look: () => lookInto(database),
		keep: () => keep(name, database, context),
		restore: (plan) => restore(name, database, plan, context),
		async recover(plan, error) {
			const state = await stateOf(database, plan, error);
			if (state === UNCHANGED || plan.kept === null) return state;
			return `${state} To get back what was there: ${plan.kept.undo}`;
		},
		count: (tables) => countRows(database, tables),
	};
}

/**
 * Cloudflare's import is faster, and all or nothing (D1 > Best practices > Import and export data). What
 * fits in one transaction needs no import.
 */
function isForImport({ tables, survey }: Plan): boolean {
	return tables === null && survey.bytes >= TRANSACTION_BYTES;
}

async function restore(
	name: string,
	database: SqlDatabase,
	plan: Plan,
	context: Context,
): Promise<void> {
	const { tables } = plan;
	if (tables !== null) return restoreRows(database, { ...plan, tables }, { within: false });
	if (!isForImport(plan)) return restoreDatabase(database, plan);
	const file = await writeFile(plan); // first, so that a read error leaves the database as it is
	const args = ['d1', 'execute', name, '--remote', '--yes', '--file', file];
	await restoreBy(database, optionsOf(plan), async () => void (await wrangler(args, context)));
	await compareDatabase(database, plan);
}

/** The bookmark is taken last, so that it also covers what was written during the copy. */
async function keep(name: string, database: SqlDatabase, context: Context): Promise<Kept> {
	const file = await keepInFile(database, context);
	const { bookmark } = JSON.parse(
		await wrangler(['d1', 'time-travel', 'info', name, '--json'], context),
	) as { bookmark: string };
	const undo = `npx wrangler d1 time-travel restore ${shellWord(name)} --bookmark=${bookmark}`;
	return { file, undo };
}

/** Writes the SQL of a backup into a file that is removed when the process ends. */
async function writeFile({ sql }: Plan): Promise<string> {
	const file = join(temporaryFolder(), 'backup.sql');
	await pipeline(sql.open(), createWriteStream(file, { mode: MODE }));
	return file;
}

async function wrangler(args: string[], { signal }: Context): Promise<string> {
	try {
		return await run('wrangler', args, { signal });
	} catch (cause) {
		signal.throwIfAborted();
		const said = cause instanceof Error ? cause.message : String(cause);
		throw new LifeboatError(`\`wrangler ${args.slice(0, 3).join(' ')}\` failed: ${said}`, {
			code: 'wrangler_failed',
			status: 500,
			hint: 'Sign in with `npx wrangler login`, and check the name with `npx wrangler d1 list`.',
			cause,
		});
	}
}
