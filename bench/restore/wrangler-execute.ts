import type { Contender } from '../contenders.ts';
import { measureCommand } from '../processes.ts';
import type { RestoreJob } from '../jobs.ts';

/** Cloudflare's own way to load a file. */
export const wranglerExecute: Contender<RestoreJob> = {
	name: 'wrangler d1 execute --local --file',
	group: 'restore',
	baseline: 'wrangler',
	limit: { megabytes: 100, reason: 'it takes long, and some 17 MB of memory for each.' },
	run({ file, target }) {
		const where = ['--local', '--persist-to', target, '--yes', '--file', file];
		return measureCommand('wrangler', ['d1', 'execute', 'DB', ...where]);
	},
};
