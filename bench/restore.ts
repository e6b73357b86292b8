import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { EmbeddedDatabase } from '../src/cli/embedded/database.ts';
import { keepDatabase } from '../src/cli/targets/keep.ts';
import { Progress } from '../src/cli/terminal/progress.ts';
import { type Contender, type Result, type RunOptions, runInTurn } from './contenders.ts';
import { databaseFile, fingerprint } from './data.ts';
import { type DumpJob, type RestoreJob, stateFolder } from './jobs.ts';
import { lifeboat } from './restore/lifeboat.ts';
import { wranglerExecute } from './restore/wrangler-execute.ts';

const CONTENDERS: Contender<RestoreJob>[] = [lifeboat, wranglerExecute];

/** Restores a dump of this database with each contender in turn, each time into a new database. */
export async function benchRestore(database: DumpJob, options: RunOptions): Promise<Result[]> {
	const { megabytes, rows, counts, project } = database;
	const file = join(project, 'backup.sql');
	await dump(stateFolder(project), file);
	const job = { megabytes, rows, counts, file, target: join(project, 'restored') };
	const expected = fingerprint(database.file, counts);
	const contenders = CONTENDERS.map((contender) => verified(contender, expected));
	return runInTurn(contenders, job, options);
}

/** The same contender, whose run fails unless it restores the database with this fingerprint. */
function verified(contender: Contender<RestoreJob>, expected: string): Contender<RestoreJob> {
	return {
		...contender,
		async run(job) {
			rmSync(job.target, { recursive: true, force: true });
			const result = await contender.run(job);
			const actual = fingerprint(databaseFile(job.target), job.counts);
			if (actual !== expected) {
				throw new Error(
					`The restored database differs. Expected:\n${expected}\nRestored:\n${actual}`,
				);
			}
			return result;
		},
	};
}

/** Writes a database to an SQL file, as a backup would. */
async function dump(persistTo: string, path: string): Promise<void> {
	await using database = new EmbeddedDatabase({ kind: 'configured', persistTo });
	const { signal } = new AbortController();
	await keepDatabase(database, path, { signal, progress: new Progress() });
}
