import { fileURLToPath } from 'node:url';
import type { Contender, Run } from '../contenders.ts';
import { profileWorker } from '../inspector.ts';
import { type DumpJob, emptyBucket } from '../jobs.ts';
import { measureWorkerd } from '../processes.ts';
import { serve, type Server } from '../server.ts';

const APP = fileURLToPath(new URL('tutorial', import.meta.url));
const NAME = 'tutorial: SELECT *, one string, one put';
const LIMIT = {
	megabytes: 300,
	reason: 'it needs some 13 MB of memory for each, and no string has more than 536 MB.',
};

type Answer = Pick<Run, 'storedBytes' | 'queries' | 'rowsRead'>;

/** What tutorials for D1 and R2 teach, with a bucket that costs nothing. */
export const tutorialAlone: Contender<DumpJob> = {
	...{ name: NAME, group: 'dump alone', baseline: 'tutorial', limit: LIMIT },
	run: (job) => run(job, { BUCKET: 'counting' }),
	async profile({ project }) {
		await using server = await serve(project, APP, { BUCKET: 'counting' });
		return await profileWorker(server.inspectorPort, () => backUp(server));
	},
};

/** The same into the embedded bucket. */
export const tutorialApp: Contender<DumpJob> = {
	...{ name: NAME, group: 'end to end', baseline: 'tutorial', limit: LIMIT },
	async run(job) {
		const result = await run(job, {});
		emptyBucket(job);
		return result;
	},
};

async function run({ project }: DumpJob, vars: Record<string, string>): Promise<Run> {
	await using server = await serve(project, APP, vars);
	let answer: Answer = {};
	const usage = await measureWorkerd(server.group, async () => {
		answer = await backUp(server);
	});
	return { ...usage, ...answer, volumes: 1 };
}

async function backUp({ url }: Server): Promise<Answer> {
	const response = await fetch(url, { method: 'POST' });
	if (!response.ok) throw new Error(await response.text());
	return (await response.json()) as Answer;
}
