import { readFileSync } from 'node:fs';
import type { Contender } from '../contenders.ts';
import { measureCommand } from '../processes.ts';
import type { RestoreJob } from '../jobs.ts';

/** `npm run restore` without npm, just as wrangler runs without npx: both only add time to start. */
export const lifeboat: Contender<RestoreJob> = {
	name: 'Lifeboat, npm run restore',
	group: 'restore',
	run({ file, target }) {
		const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as {
			scripts: { restore: string };
		};
		const [program = '', ...words] = scripts.restore.split(' ');
		return measureCommand(program, [...words, file, '--unsigned', '--to', `local:${target}`]);
	},
};
