import type { Contender } from '../contenders.ts';
import { measureCommand } from '../processes.ts';
import type { RestoreJob } from '../jobs.ts';

/** Cloudflare's own way to load an SQL file. */
export const wranglerExecute: Contender<RestoreJob> = {
	name: 'wrangler d1 execute --local --file',
	group: 'restore',
	baseline: 'wrangler',
	limit: { megabytes: 100, reason: 'slow, and needs about 17 MB of memory per MB of SQL' },
	run({ file, target }) {
		const options = ['--local', '--persist-to', target, '--yes', '--file', file];
		return measureCommand('wrangler', ['d1', 'execute', 'DB', ...options]);
	},
};
