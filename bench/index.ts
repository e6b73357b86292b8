import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { temporaryFolder } from '../src/cli/terminal/command.ts';
import { isBuilt } from '../src/cli/demo/build.ts';
import type { Result } from './contenders.ts';
import { benchDifferential } from './differential.ts';
import { benchDump } from './dump.ts';
import { benchFreePlan, prepareDemo, prepareTables } from './free-plan.ts';
import { prepareProject } from './jobs.ts';
import { describeMachine } from './machine.ts';
import { plot } from './plot.ts';
import { formatResults, resultsAsJson, save } from './report.ts';
import { benchRestore } from './restore.ts';
import { benchStaging } from './staging.ts';

const HELP = `Usage: npm run bench [-- options]

Compares Lifeboat with other tools on this machine. All work on the same rows and run in turn:

  dump alone  Lifeboat's engine and a backup as tutorials write it, each in a Worker under wrangler
              pages dev, with a bucket that counts bytes and drops them; wrangler d1 export --local;
              sqlite3 .dump, the floor
  end to end  the same with the embedded bucket: POST /api/backup of the built app, also in the
              steps of a free plan, and the tutorial's Worker
  staging     only with --only staging: backups while somebody writes every 5 s to 50 ms, with 30 ms
              added to each call of D1, as production has them; 95 MB take half an hour
  free plan   only with --only free-plan: backups of the demo's database and of others within the
              limits of Cloudflare's free plan, to their end, with the CPU time of each call
  differential
              only with --only differential: backups after no change, and after up to 1 % of the rows
              were added or changed, each compared with a full one
  restore     npm run restore and wrangler d1 execute --local --file, each into a new database

The Workers of dump alone run once more under V8's profiler. It separates the Worker's CPU time from
that of the rest of workerd, and measures the Worker's heap.

Sizes and speeds count the SQL of a plain Lifeboat backup, however many bytes a tool writes. Tools
that need too much memory or time are skipped at large sizes. Prints medians, and writes all figures
as JSON and a plot to bench/results/.

Options
  --mb 30,100,300    sizes in MB (millions of bytes)
  --only dump        only dumps; --only restore, staging, free-plan and differential
                     likewise
  --contenders gzip  only those with this text in their title, such as 'end to end: Lifeboat, gzip'
  --rounds 3         runs of each contender; use an odd number
  --dry              write no results
  --help             show this help

Needs Linux, sqlite3, 8 GB of memory for 300 MB, and disk space of five times the largest size.
`;

const OPTIONS = {
	mb: { type: 'string', default: '30,100,300' },
	only: { type: 'string' },
	contenders: { type: 'string', default: '' },
	rounds: { type: 'string', default: '3' },
	dry: { type: 'boolean', default: false },
	help: { type: 'boolean', short: 'h' },
} as const;

/**
 * Stops wrangler from using the network and from recording each query for its local explorer. Both
 * would add time that is not part of the work.
 */
const WRANGLER_SETTINGS = {
	CLOUDFLARE_CF_FETCH_ENABLED: 'false',
	WRANGLER_SEND_METRICS: 'false',
	X_LOCAL_OBSERVABILITY: 'false',
};

type Comparison = (typeof COMPARISONS)[number];

const COMPARISONS = [
	{
		name: 'dump',
		plotted: 'dump alone',
		title: 'Dump alone',
		bench: benchDump,
		results: [] as Result[],
	},
	{
		name: 'restore',
		plotted: 'restore',
		title: 'Restore',
		bench: benchRestore,
		results: [] as Result[],
	},
];

async function main(): Promise<void> {
	const { values } = parseArgs({ options: OPTIONS });
	if (values.help) return console.log(HELP);
	const sizes = values.mb
		.split(',')
		.map(positiveInteger)
		.toSorted((a, b) => a - b);
	const options = { rounds: positiveInteger(values.rounds), filter: values.contenders };
	for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130));
	Object.assign(process.env, WRANGLER_SETTINGS);
	if (!(await isBuilt())) execFileSync('vite', ['build'], { stdio: 'ignore' });

	const comparisons = COMPARISONS.filter(({ name }) => (values.only ?? name) === name);
	if (values.only === 'free-plan') await benchSmall();
	for (const size of sizes) {
		const folder = temporaryFolder();
		const database = await prepareProject(folder, size);
		if (values.only === 'staging') await benchStaging(database);
		if (values.only === 'differential') {
			await benchDifferential(database, { ...options, dry: values.dry });
		}
		if (values.only === 'free-plan') await benchFreePlan(database, `${size} MB`);
		for (const comparison of comparisons) {
			comparison.results.push(...(await comparison.bench(database, options)));
			if (!values.dry) saveResults(comparison);
		}
		rmSync(folder, { recursive: true }); // now, because the next size needs the disk space
	}
	for (const { results } of comparisons) console.log(`\n${formatResults(results)}\n`);
}

async function benchSmall(): Promise<void> {
	for (const [name, prepare] of [
		['demo', prepareDemo],
		['300 tables', prepareTables],
	] as const) {
		const folder = temporaryFolder();
		await benchFreePlan(await prepare(folder), name);
		rmSync(folder, { recursive: true });
	}
}

/** Saves the results so far. Called after each size, so that a larger one that fails loses nothing. */
function saveResults({ name, plotted, title, results }: Comparison): void {
	save(`${name}.json`, resultsAsJson(results, describeMachine(), new Date()));
	save(`${name}.svg`, plot(plotted, title, results));
}

function positiveInteger(text: string): number {
	const number = Number(text);
	if (Number.isInteger(number) && number > 0) return number;
	throw new Error(`${JSON.stringify(text)} is not a positive integer.`);
}

await main();
