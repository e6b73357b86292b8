import { type Context } from '../terminal/command.ts';
import { usageError } from '../terminal/arguments.ts';
import { openLocal } from './local.ts';
import { openRemote } from './remote.ts';
import { SqliteFile } from './sqlite.ts';
import type { Target } from './target.ts';

/**
 * Opens the target that `--to` names, without a change to it; `binding` is that of `--binding`. Throws `usage` (400) for any other word,
 * and what the target throws.
 */
export async function openTarget(
	word: string,
	context: Context,
	binding?: string | undefined,
): Promise<Target> {
	const [, kind, rest] = /^(local|remote)(?::(.+))?$/s.exec(word) ?? [];
	if (kind === 'local') return openLocal(rest, context, binding);
	if (binding !== undefined) throw usageError('restore', '--binding is for --to local.');
	if (kind === 'remote' && rest) return openRemote(rest, context);
	if (/\.(?:db|sqlite|sqlite3)$/i.test(word)) return new SqliteFile(word);
	throw usageError(
		'restore',
		`${JSON.stringify(word)} is not a target: use local, local:FOLDER, FILE.db or remote:NAME.`,
	);
}
