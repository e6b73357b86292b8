import { parseArgs } from 'node:util';
import { benchDump, type DumpResult } from './dump.ts';
import { benchRestore, type RestoreResult } from './restore.ts';

const HELP = `Usage: npm run bench [-- --mb 30,100,300]

Measures on this machine, for databases of these sizes:

  dump     a backup under wrangler pages dev: time, queries, workerd's memory
  restore  the same file with npm run restore and, up to 100 MB, with wrangler d1 execute --local
           --file in turn, three times each: time and memory of the processes

  --only dump    or restore
  --help         show this

Needs Linux.
`;

const options = {
	mb: { type: 'string', default: '30,100,300' },
	only: { type: 'string' },
	help: { type: 'boolean', short: 'h' },
} as const;
const { values } = parseArgs({ options });
if (values.help) console.log(HELP);
else await bench(values.mb.split(',').map(Number), values.only);

async function bench(sizes: number[], only: string | undefined): Promise<void> {
	const dumps: DumpResult[] = [];
	const restores: RestoreResult[] = [];
	for (const size of sizes) {
		if (only !== 'restore') dumps.push(await benchDump(size));
		if (only !== 'dump') restores.push(...(await benchRestore(size)));
	}
	if (dumps.length > 0) console.table(dumps);
	if (restores.length > 0) console.table(restores);
}
