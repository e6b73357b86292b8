import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SqlDatabase } from '../../lib/server/backup/database.ts';
import { clearDatabase } from '../../lib/server/backup/restore/contents.ts';
import { TRANSACTION_BYTES } from '../../lib/server/backup/restore/steps.ts';
import { LifeboatError } from '../../lib/server/errors.ts';
import { type Context, temporaryFolder } from '../command.ts';
import { EmbeddedDatabase } from '../embedded/database.ts';
import { run } from '../run.ts';
import { shellWord } from '../text.ts';
import { countRows, keepInFile, namesIn, restoreDatabase, stateOf } from './d1.ts';
import type { Kept, Plan, Target } from './target.ts';

/** A D1 database on Cloudflare, by its name; wrangler has to be signed in. */
export async function openRemote(name: string, context: Context): Promise<Target> {
	return remoteTarget(name, await connectRemote(name, context), context);
}

/** A connection to it. Throws `wrangler_failed` (500) where there is none of that name. */
export async function connectRemote(name: string, context: Context): Promise<EmbeddedDatabase> {
	const { uuid } = JSON.parse(await wrangler(['d1', 'info', name, '--json'], context)) as {
		uuid: string;
	};
	return new EmbeddedDatabase({ kind: 'remote', id: uuid });
}

/** The same, with a connection to it. */
export function remoteTarget(name: string, database: SqlDatabase, context: Context): Target {
	return {
		name,
		title: `the database ${name} on Cloudflare`,
		contents: () => namesIn(database),
		keep: () => keep(name, database, context),
		async restore(plan) {
			if (!isForImport(plan)) return restoreDatabase(database, plan);
			if (plan.kept !== null) await clearDatabase(database, sleep);
			await importFile(name, plan, context);
		},
		async recover(plan) {
			const state = await stateOf(database, plan);
			if (state === 'unchanged') return 'Nothing in it was changed.';
			const now = state === 'empty' ? 'It is empty.' : 'It holds a part of the backup.';
			return plan.kept === null ? now : `${now} To get back what was there: ${plan.kept.undo}`;
		},
		count: (tables) => countRows(database, tables),
	};
}

/**
 * Cloudflare's import is quicker, and all or nothing, but takes no files of other tools as they are
 * (D1 > Best practices > Import and export data). What fits one transaction needs no import.
 */
function isForImport({ tables, survey }: Plan): boolean {
	return tables === null && survey.lifeboat && survey.bytes >= TRANSACTION_BYTES;
}

async function keep(name: string, database: SqlDatabase, context: Context): Promise<Kept> {
	const { bookmark } = JSON.parse(
		await wrangler(['d1', 'time-travel', 'info', name, '--json'], context),
	) as { bookmark: string };
	const file = await keepInFile(database, context);
	const undo = `npx wrangler d1 time-travel restore ${shellWord(name)} --bookmark=${bookmark}`;
	return { file, undo };
}

async function importFile(name: string, { sql }: Plan, context: Context): Promise<void> {
	const file = join(temporaryFolder(), 'backup.sql');
	await pipeline(sql.open(), createWriteStream(file));
	await wrangler(['d1', 'execute', name, '--remote', '--yes', '--file', file], context);
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
			hint: 'Sign in with `npx wrangler login`, and look for the name with `npx wrangler d1 list`.',
			cause,
		});
	}
}
