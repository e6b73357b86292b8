import type { Profile } from './inspector.ts';
import type { Usage } from './processes.ts';

/** What one run cost. */
export interface Run extends Usage {
	/** Seconds that the program took to start. Not included in `seconds`. */
	startSeconds?: number;
	/** Bytes that the run wrote. */
	storedBytes?: number;
	/** Number of objects that hold these bytes. */
	volumes?: number;
	queries?: number;
	/** Rows that D1 counted as read. */
	rowsRead?: number;
}

/** One way to do a job. */
export interface Contender<Job> {
	name: string;
	/** Contenders are compared only within their group, whose members all do the same work. */
	group: string;
	/** Set if the others in the group are compared with this contender: its short name in tables. */
	baseline?: string | undefined;
	/** The largest size at which this contender runs, and why it does not run at larger ones. */
	limit?: { megabytes: number; reason: string };
	/** Does the job once. Throws if the job fails or the result is wrong. */
	run(job: Job): Promise<Run>;
	/** Does the job once under V8's profiler. Separate from `run`, because profiling slows the work. */
	profile?(job: Job): Promise<Profile>;
}

/** What the command line selects. */
export interface RunOptions {
	/** Runs of each contender. Odd, so that the median is one of them. */
	rounds: number;
	/** Only contenders whose 'group: name' contains this text run. Empty selects all. */
	filter: string;
}

/** All runs of one contender at one size. */
export interface Result {
	contender: string;
	group: string;
	baseline: string | null;
	/** Size of the job: millions of bytes of SQL in a plain Lifeboat backup. */
	megabytes: number;
	/** Rows in the database. */
	rows: number;
	runs: Run[];
	/** At most one. */
	profiles: Profile[];
	/** Why runs are missing. Null if none are. */
	missing: string | null;
}

/** What a result states about its job. */
type JobSize = Pick<Result, 'megabytes' | 'rows'>;

/**
 * Runs the selected contenders in turn, A B C A B C, so that a busy minute on the machine affects all
 * of them alike. Those with a `profile` then run once more, under the profiler. A contender that fails
 * is not run again.
 */
export async function runInTurn<Job extends JobSize>(
	contenders: Contender<Job>[],
	job: Job,
	{ rounds, filter }: RunOptions,
): Promise<Result[]> {
	const entries = contenders
		.filter(({ group, name }) => `${group}: ${name}`.toLowerCase().includes(filter.toLowerCase()))
		.map((contender) => ({ contender, result: emptyResult(contender, job) }));
	for (let round = 1; round <= rounds; round++) {
		for (const { contender, result } of entries) {
			await record(result, `round ${round}`, result.runs, () => contender.run(job));
		}
	}
	for (const { contender, result } of entries) {
		const { profile } = contender;
		if (profile) await record(result, 'profile', result.profiles, () => profile(job));
	}
	return entries.map(({ result }) => result);
}

/** The middle one of an odd number of values. NaN if there are none. */
export function median(values: number[]): number {
	return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

function emptyResult<Job extends JobSize>(
	{ name, group, baseline, limit }: Contender<Job>,
	{ megabytes, rows }: Job,
): Result {
	const isTooLarge = limit !== undefined && megabytes > limit.megabytes;
	return {
		contender: name,
		group,
		baseline: baseline ?? null,
		megabytes,
		rows,
		runs: [],
		profiles: [],
		missing: isTooLarge ? `skipped above ${limit.megabytes} MB: ${limit.reason}` : null,
	};
}

/** Adds a measurement to one of the result's lists, or notes in the result why it failed. */
async function record<T extends { seconds: number }>(
	result: Result,
	pass: string,
	measurements: T[],
	measure: () => Promise<T>,
): Promise<void> {
	if (result.missing !== null) return;
	const title = `${result.megabytes} MB, ${pass}, ${result.group}: ${result.contender}`;
	try {
		const measurement = await measure();
		measurements.push(measurement);
		console.error(`${title}: ${measurement.seconds.toFixed(2)} s`);
	} catch (error) {
		result.missing = `failed: ${error instanceof Error ? error.message : String(error)}`;
		console.error(`${title} ${result.missing}`);
	}
}
