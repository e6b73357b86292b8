import { type Context } from '../terminal/command.ts';
import { usageError } from '../terminal/arguments.ts';
import { openLocal } from './local.ts';
import { openRemote } from './remote.ts';
import { SqliteFile } from './sqlite.ts';
import type { Target } from './target.ts';

/**
 * Opens the target that `--to` names; nothing in it is touched. Throws `usage` (400) for a text that
 * names none, and what the target throws.
 */
export async function openTarget(word: string, context: Context): Promise<Target> {
	const [, kind, rest] = /^(local|remote)(?::(.+))?$/s.exec(word) ?? [];
	if (kind === 'local') return openLocal(rest, context);
	if (kind === 'remote' && rest) return openRemote(rest, context);
	if (/\.(?:db|sqlite|sqlite3)$/i.test(word)) return new SqliteFile(word);
	throw usageError(
		'restore',
		`${JSON.stringify(word)} is no target: use local, local:FOLDER, FILE.db or remote:NAME.`,
	);
}
