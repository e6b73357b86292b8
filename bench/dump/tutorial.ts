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
	reason: 'needs about 13 MB of memory per MB of SQL, and a string holds at most 536 MB',
};

/** What the Worker responds with. */
type Cost = Pick<Run, 'storedBytes' | 'queries' | 'rowsRead'>;

/** The backup that tutorials for D1 and R2 teach, into the counting bucket. */
export const tutorialAlone: Contender<DumpJob> = {
	name: NAME,
	group: 'dump alone',
	baseline: 'tutorial',
	limit: LIMIT,
	run: (job) => run(job, { BUCKET: 'counting' }),
	async profile({ project }) {
		await using server = await serve(project, APP, { BUCKET: 'counting' });
		return await profileWorker(server.inspectorPort, () => backUp(server));
	},
};

/** The same backup into the embedded bucket. */
export const tutorialApp: Contender<DumpJob> = {
	name: NAME,
	group: 'end to end',
	baseline: 'tutorial',
	limit: LIMIT,
	async run(job) {
		const result = await run(job, {});
		emptyBucket(job);
		return result;
	},
};

async function run({ project }: DumpJob, vars: Record<string, string>): Promise<Run> {
	await using server = await serve(project, APP, vars);
	let cost: Cost = {};
	const usage = await measureWorkerd(server.group, async () => {
		cost = await backUp(server);
	});
	return { ...usage, ...cost, volumes: 1 };
}

async function backUp({ url }: Server): Promise<Cost> {
	const response = await fetch(url, { method: 'POST' });
	if (!response.ok) throw new Error(await response.text());
	return (await response.json()) as Cost;
}
