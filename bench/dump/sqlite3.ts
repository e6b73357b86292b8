import { rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Contender } from '../contenders.ts';
import type { DumpJob } from '../jobs.ts';
import { measureCommand } from '../processes.ts';

/** The floor: SQLite's own shell, which reads the database file directly. */
export const sqlite3: Contender<DumpJob> = {
	name: 'sqlite3 .dump',
	group: 'dump alone',
	baseline: 'sqlite3',
	async run({ project, file }) {
		const output = join(project, 'dump.sql');
		const usage = await measureCommand('sqlite3', [file, `.output ${output}`, '.dump']);
		const { size } = statSync(output);
		rmSync(output);
		return { ...usage, storedBytes: size };
	},
};
