import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { EmbeddedDatabase } from '../src/cli/embedded/database.ts';
import { SqliteFile } from '../src/cli/targets/sqlite.ts';
import type { Row } from '../src/lib/server/backup/database.ts';
import { restoreInto } from '../src/lib/server/backup/restore/apply.ts';
import { clearDatabase } from '../src/lib/server/backup/restore/contents.ts';
import type { SqlSource } from '../src/lib/server/backup/restore/source.ts';
import { survey } from '../src/lib/server/backup/restore/survey.ts';

// What `npm run restore` restores into on this machine, for tests inside workerd.

const folder = mkdtempSync(join(tmpdir(), 'lifeboat-restored-'));
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));

/** The SQLite file that was restored last. */
export const FILE = join(folder, 'restored.db');
let embedded: EmbeddedDatabase | undefined;

function database(): EmbeddedDatabase {
	embedded ??= new EmbeddedDatabase({ kind: 'new', persistTo: join(folder, 'state') });
	return embedded;
}

/** Restores a file, read in chunks of those sizes, into an empty one of each kind of local target. */
export async function restore(script: Uint8Array, sizes: number[]): Promise<void> {
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
	await clearDatabase(database(), sleep);
	await restoreInto(database(), sql, { survey: found, sleep });
	rmSync(FILE, { force: true });
	const plan = { sql, survey: found, tables: null, kept: null, onProgress: () => {} };
	await new SqliteFile(FILE).restore(plan);
}

/** The rows of each query in the embedded database. */
export async function query(queries: string[]): Promise<Row[][]> {
	const { results } = await database().batch(queries);
	return results.map((result) => result.results);
}
