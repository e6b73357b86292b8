import type { Profile } from './inspector.ts';
import type { Usage } from './processes.ts';

/** What a contender took to do a job once. */
export interface Run extends Usage {
	/** Seconds that its process took to start, which are not in `seconds`. */
	startSeconds?: number;
	/** Bytes of what it wrote. */
	storedBytes?: number;
	/** Objects that these are. */
	volumes?: number;
	queries?: number;
	/** Rows that D1 counted as read. */
	rowsRead?: number;
}

/** A way to do a job, and nothing but that. It throws where it cannot do the job. */
export interface Contender<Job> {
	name: string;
	/** Those that are compared with each other, by what they have to do. */
	group: string;
	/** The short name of one that the others of its group are compared with. */
	baseline?: string | undefined;
	/** It is left out above this size, for this reason. */
	limit?: { megabytes: number; reason: string };
	run(job: Job): Promise<Run>;
	/** The same again under a profiler, which costs time: where there is a Worker. */
	profile?(job: Job): Promise<Profile>;
}

/** What is to be run. */
export interface Choice {
	rounds: number;
	/** Of the groups and names of contenders; empty for all. */
	part: string;
}

/** All runs of a contender at one size. */
export interface Result {
	contender: string;
	group: string;
	baseline: string | null;
	/** Size of the job: millions of bytes of SQL, as a backup of Lifeboat has them. */
	megabytes: number;
	/** Rows of the database. */
	rows: number;
	runs: Run[];
	/** One or none. */
	profiles: Profile[];
	/** Why there are no runs, or no more. */
	missing: string | null;
}

/**
 * Lets those contenders do the job in turn whose group or name has `part` in it: A B C A B C, so that
 * a busy minute of the machine hits all alike; then once more under a profiler. One that fails does
 * not run again.
 */
export async function inTurn<Job extends { megabytes: number; rows: number }>(
	contenders: Contender<Job>[],
	job: Job,
	{ rounds, part }: Choice,
): Promise<Result[]> {
	const entries = contenders
		.filter(({ group, name }) => `${group}: ${name}`.toLowerCase().includes(part.toLowerCase()))
		.map((contender) => ({ contender, result: newResult(contender, job) }));
	for (let round = 1; round <= rounds; round++) {
		for (const { contender, result } of entries) {
			await take(result, `round ${round}`, result.runs, () => contender.run(job));
		}
	}
	for (const { contender, result } of entries) {
		const { profile } = contender;
		if (profile) await take(result, 'profile', result.profiles, () => profile(job));
	}
	return entries.map(({ result }) => result);
}

/** The middle one of an odd number of values; NaN without any. */
export function median(values: number[]): number {
	return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

function newResult<Job extends { megabytes: number; rows: number }>(
	{ name, group, baseline, limit }: Contender<Job>,
	{ megabytes, rows }: Job,
): Result {
	const isLeftOut = limit !== undefined && megabytes > limit.megabytes;
	return {
		...{ contender: name, group, baseline: baseline ?? null },
		...{ megabytes, rows, runs: [], profiles: [] },
		missing: isLeftOut ? `left out above ${limit.megabytes} MB: ${limit.reason}` : null,
	};
}

async function take<T extends { seconds: number }>(
	result: Result,
	what: string,
	taken: T[],
	measure: () => Promise<T>,
): Promise<void> {
	if (result.missing !== null) return;
	const title = `${result.megabytes} MB, ${what}, ${result.group}: ${result.contender}`;
	try {
		const one = await measure();
		taken.push(one);
		console.error(`${title}: ${one.seconds.toFixed(2)} s`);
	} catch (error) {
		result.missing = `failed: ${error instanceof Error ? error.message : String(error)}`;
		console.error(`${title} ${result.missing}`);
	}
}
