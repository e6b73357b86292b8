import { type Contender, type Result, type RunOptions, runInTurn } from './contenders.ts';
import { lifeboatAlone, lifeboatApp } from './dump/lifeboat.ts';
import { sqlite3 } from './dump/sqlite3.ts';
import { tutorialAlone, tutorialApp } from './dump/tutorial.ts';
import { wranglerExport } from './dump/wrangler-export.ts';
import type { DumpJob } from './jobs.ts';

const CONTENDERS: Contender<DumpJob>[] = [
	lifeboatAlone('Lifeboat, plain', [], 'plain'),
	lifeboatAlone('Lifeboat, gzip', ['gzip']),
	lifeboatAlone('Lifeboat, zstd', ['zstd']),
	lifeboatAlone('Lifeboat, gzip and age', ['gzip', 'age']),
	tutorialAlone,
	wranglerExport,
	sqlite3,
	lifeboatApp('Lifeboat, plain', { encodings: [], plan: 'paid' }, 'plain'),
	lifeboatApp('Lifeboat, gzip', { encodings: ['gzip'], plan: 'paid' }),
	lifeboatApp('Lifeboat, zstd', { encodings: ['zstd'], plan: 'paid' }),
	lifeboatApp('Lifeboat, gzip and age', { encodings: ['gzip', 'age'], plan: 'paid' }),
	lifeboatApp('Lifeboat, gzip, in steps, free plan', { encodings: ['gzip'], plan: 'free' }),
	tutorialApp,
];

/** Dumps one embedded database with each contender in turn. */
export function benchDump(job: DumpJob, options: RunOptions): Promise<Result[]> {
	return runInTurn(CONTENDERS, job, options);
}
