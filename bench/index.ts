import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { temporaryFolder } from '../src/cli/terminal/command.ts';
import { isBuilt } from '../src/cli/demo/build.ts';
import type { Result } from './contenders.ts';
import { benchDump } from './dump.ts';
import { prepareProject } from './jobs.ts';
import { describeMachine } from './machine.ts';
import { plot } from './plot.ts';
import { formatResults, printResults, save } from './report.ts';
import { benchRestore } from './restore.ts';

const HELP = `Usage: npm run bench [-- options]

Measures Lifeboat beside others on this machine, on the same rows, in turn, each three times:

  dump alone  Lifeboat's engine in a Worker of wrangler pages dev, and a Worker as tutorials have it,
              both with a bucket that counts the bytes and drops them; wrangler d1 export --local;
              sqlite3 .dump, the floor
  end to end  the same Workers with the embedded bucket: POST /api/backup of the built app, also in
              the steps of a free plan, and the tutorial's
  restore     npm run restore and wrangler d1 execute --local --file, each into a new database

The Workers that dump alone run once more under V8's profiler, which tells their own time on the
processor from that of all else in the same process, and how large their own heap is.

A size is that of the SQL that a backup of Lifeboat has. All speeds count these bytes, whatever a
contender writes. What needs too much memory is left out of large sizes. Prints medians, and writes
bench/results/: all figures as JSON, and a plot.

Options
  --mb 30,100,300    sizes in millions of bytes
  --only dump        or restore
  --contenders gzip  those that have this in their kind or name, as in 'end to end: Lifeboat, gzip'
  --rounds 3         how often each runs; an odd number
  --dry              write no results
  --help             show this

Needs Linux and sqlite3, 8 GB of memory for 300 MB, and disk space of five times the largest size.
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
 * No call on the network, and no record of each query, which wrangler keeps for its local explorer:
 * both take time that has nothing to do with the work.
 */
const QUIET = {
	CLOUDFLARE_CF_FETCH_ENABLED: 'false',
	WRANGLER_SEND_METRICS: 'false',
	X_LOCAL_OBSERVABILITY: 'false',
};

type Comparison = (typeof COMPARISONS)[number];

const COMPARISONS = [
	{
		name: 'dump',
		plotted: 'dump alone',
		title: 'A dump',
		bench: benchDump,
		results: [] as Result[],
	},
	{
		name: 'restore',
		plotted: 'restore',
		title: 'A restore',
		bench: benchRestore,
		results: [] as Result[],
	},
];

async function main(): Promise<void> {
	const { values } = parseArgs({ options: OPTIONS });
	if (values.help) return console.log(HELP);
	const sizes = values.mb
		.split(',')
		.map(positive)
		.toSorted((a, b) => a - b);
	const choice = { rounds: positive(values.rounds), part: values.contenders };
	for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130));
	Object.assign(process.env, QUIET);
	if (!(await isBuilt())) execFileSync('vite', ['build'], { stdio: 'ignore' });

	const comparisons = COMPARISONS.filter(({ name }) => (values.only ?? name) === name);
	for (const size of sizes) {
		const folder = temporaryFolder(); // also when a signal ends the process
		const database = await prepareProject(folder, size);
		for (const comparison of comparisons) {
			comparison.results.push(...(await comparison.bench(database, choice)));
			if (!values.dry) store(comparison);
		}
		rmSync(folder, { recursive: true });
	}
	for (const { results } of comparisons) console.log(`\n${formatResults(results)}\n`);
}

/** After each size, so that nothing is lost when a larger one is too much. */
function store({ name, plotted, title, results }: Comparison): void {
	save(`${name}.json`, printResults(results, describeMachine(), new Date()));
	save(`${name}.svg`, plot(plotted, title, results));
}

function positive(text: string): number {
	const number = Number(text);
	if (Number.isInteger(number) && number > 0) return number;
	throw new Error(`${JSON.stringify(text)} is no whole number above 0.`);
}

await main();
