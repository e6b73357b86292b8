import { rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Contender } from '../contenders.ts';
import type { DumpJob } from '../jobs.ts';
import { measureCommand } from '../processes.ts';

/**
 * Cloudflare's own export, by the code that also runs on its network. A command that exports no
 * rows is the time that wrangler and workerd take to start; only the seconds are without it.
 */
export const wranglerExport: Contender<DumpJob> = {
	name: 'wrangler d1 export --local',
	group: 'dump alone',
	baseline: 'export',
	limit: { megabytes: 300, reason: 'it needs some 23 MB of memory for each.' },
	async run({ project }) {
		const output = join(project, 'export.sql');
		const words = ['d1', 'export', 'DB', '--local', '--output', output];
		const start = await measureCommand('wrangler', [...words, '--no-data'], project);
		const usage = await measureCommand('wrangler', words, project);
		const { size } = statSync(output);
		rmSync(output);
		const seconds = usage.seconds - start.seconds;
		return { ...usage, seconds, startSeconds: start.seconds, storedBytes: size };
	},
};
