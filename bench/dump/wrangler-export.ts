import { rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Contender } from '../contenders.ts';
import type { DumpJob } from '../jobs.ts';
import { measureCommand } from '../processes.ts';

/**
 * Cloudflare's own export: the same code runs on its network. An export without rows measures how
 * long wrangler and workerd take to start. `seconds` excludes that; CPU time and memory include it.
 */
export const wranglerExport: Contender<DumpJob> = {
	name: 'wrangler d1 export --local',
	group: 'dump alone',
	baseline: 'export',
	limit: { megabytes: 300, reason: 'needs about 23 MB of memory per MB of SQL' },
	async run({ project }) {
		const output = join(project, 'export.sql');
		const args = ['d1', 'export', 'DB', '--local', '--output', output];
		const start = await measureCommand('wrangler', [...args, '--no-data'], project);
		const usage = await measureCommand('wrangler', args, project);
		const { size } = statSync(output);
		rmSync(output);
		const seconds = usage.seconds - start.seconds;
		return { ...usage, seconds, startSeconds: start.seconds, storedBytes: size };
	},
};
