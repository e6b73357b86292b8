import { chmodSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { vi } from 'vitest';
import type { Plan } from '../src/cli/targets/target.ts';
import type { SqlSource } from '../src/lib/server/backup/restore/source.ts';
import { survey } from '../src/lib/server/backup/restore/survey.ts';

// Restore plans and stand-ins for tests of the targets.

/** The path of the embedded database in a state folder. */
export function fileIn(persistTo: string): string {
	const databases = join(persistTo, 'v3/d1/miniflare-D1DatabaseObject');
	const [file = ''] = readdirSync(databases).filter((name) => /^[0-9a-f]{64}\.sqlite$/.test(name));
	return join(databases, file);
}

const sourceOf = (sql: string): SqlSource => ({
	async *open() {
		yield Buffer.from(sql);
	},
});

/** A restore plan for a backup; `change` tampers with the SQL on its way into the target. */
export async function planFor(
	sql: string,
	changes: Partial<Plan>,
	change = (unchanged: string) => unchanged,
): Promise<Plan> {
	const found = await survey(sourceOf(sql));
	const onProgress = () => {};
	return {
		sql: sourceOf(change(sql)),
		survey: found,
		tables: null,
		kept: null,
		header: null,
		onProgress,
		...changes,
	};
}

/** The same backup, padded until it is large enough for an import. */
export const large = (sql: string) => sql.replace('\n', `\n${'-- filling\n'.repeat(400_000)}`);

/**
 * Puts a stand-in for wrangler first on the PATH; it imports files into the database file at `path`.
 * Returns the path of a log with one line per call: the number of copies in `project` by then, and the
 * arguments.
 */
export function standInForWrangler(folder: string, project: string, path: string): string {
	const [bin, log] = [join(folder, 'bin'), join(folder, 'calls')];
	mkdirSync(bin);
	const script = `#!/bin/sh
echo "$(ls '${project}' | grep -c before-restore) $*" >> '${log}'
if [ "$2" = execute ]; then for last; do :; done; sqlite3 -bail '${path}' < "$last"; fi
echo '{"bookmark":"0000-1"}'
`;
	writeFileSync(join(bin, 'wrangler'), script);
	chmodSync(join(bin, 'wrangler'), 0o755);
	vi.stubEnv('PATH', `${bin}${delimiter}${process.env['PATH']}`);
	return log;
}
