import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EmbeddedDatabase } from '../src/cli/embedded/database.ts';
import { Progress } from '../src/cli/terminal/progress.ts';
import { openLocal } from '../src/cli/targets/local.ts';
import { SqliteFile } from '../src/cli/targets/sqlite.ts';
import type { Target } from '../src/cli/targets/target.ts';
import type { Row } from '../src/lib/server/backup/database.ts';
import type { SqlSource } from '../src/lib/server/backup/restore/source.ts';
import { survey } from '../src/lib/server/backup/restore/survey.ts';

// The local targets of `npm run restore`, for tests inside workerd.

const folder = mkdtempSync(join(tmpdir(), 'lifeboat-restored-'));
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));

/** The SQLite file that was restored last. */
export const FILE = join(folder, 'restored.db');
const STATE = join(folder, 'state');
let local: Target | undefined;
let embedded: EmbeddedDatabase | undefined;

/** The kinds of local target. */
export type LocalTarget = 'local' | 'file';

/** Restores a file, read in chunks of the given sizes, into a local target. */
export async function restore(
	script: Uint8Array,
	sizes: number[],
	target: LocalTarget,
): Promise<void> {
	const sql: SqlSource = {
		async *open() {
			for (let at = 0, turn = 0; at < script.length; turn++) {
				const size = sizes[turn % sizes.length] ?? script.length;
				yield script.subarray(at, at + size);
				at += size;
			}
		},
	};
	const found = await survey(sql);
	const plan = { sql, survey: found, tables: null, header: null, onProgress: () => {} };
	if (target === 'file') {
		rmSync(FILE, { force: true });
		return new SqliteFile(FILE).restore({ ...plan, kept: null });
	}
	const context = { signal: new AbortController().signal, progress: new Progress() };
	local ??= openLocal(STATE, context);
	// Replaces the result of the last restore.
	await local.restore({ ...plan, kept: { file: '', undo: '' } });
}

/** The rows of each query in the embedded database, as D1 in workerd returns them. */
export async function query(queries: string[]): Promise<Row[][]> {
	embedded ??= new EmbeddedDatabase({ kind: 'configured', persistTo: STATE });
	const { results } = await embedded.batch(queries);
	return results.map((result) => result.results);
}
