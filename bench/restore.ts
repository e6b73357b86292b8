import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { EmbeddedDatabase } from '../src/cli/embedded/database.ts';
import { keepDatabase } from '../src/cli/targets/keep.ts';
import { Progress } from '../src/cli/terminal/progress.ts';
import { type Choice, type Contender, inTurn, type Result } from './contenders.ts';
import { databaseFile, fingerprint } from './data.ts';
import { type DumpJob, type RestoreJob, stateOf } from './jobs.ts';
import { lifeboat } from './restore/lifeboat.ts';
import { wranglerExecute } from './restore/wrangler-execute.ts';

const CONTENDERS: Contender<RestoreJob>[] = [lifeboat, wranglerExecute];

/** Restores a dump of this database into new ones, in turn, and compares what came of it. */
export async function benchRestore(database: DumpJob, choice: Choice): Promise<Result[]> {
	const { megabytes, rows, counts, project } = database;
	const file = join(project, 'backup.sql');
	await dump(stateOf(project), file);
	const job = { megabytes, rows, counts, file, target: join(project, 'restored') };
	const expected = fingerprint(database.file, counts);
	return inTurn(
		CONTENDERS.map((contender) => checked(contender, expected)),
		job,
		choice,
	);
}

/** The contender, which fails where its copy is another database. */
function checked(contender: Contender<RestoreJob>, expected: string): Contender<RestoreJob> {
	return {
		...contender,
		async run(job) {
			rmSync(job.target, { recursive: true, force: true });
			const result = await contender.run(job);
			const actual = fingerprint(databaseFile(job.target), job.counts);
			if (actual !== expected) throw new Error(`The copy is ${actual}, not ${expected}`);
			return result;
		},
	};
}

/** Writes a database into an SQL file, as a backup does. */
async function dump(persistTo: string, path: string): Promise<void> {
	await using database = new EmbeddedDatabase({ kind: 'configured', persistTo });
	const { signal } = new AbortController();
	await keepDatabase(database, path, { signal, progress: new Progress() });
}
