import { median, type Result, type Run } from './contenders.ts';

/** A number for each program, or for each baseline by its short name. */
type ByName = Record<string, number>;

/** Medians over a contender's runs at one size. Milliseconds are CPU time per MB of SQL. */
export interface Figures {
	seconds: number;
	megabytesPerSecond: number;
	/** Speed relative to each baseline: the median of the ratios in the same round. */
	timesAsFastAs: ByName;
	startSeconds?: number;
	storedBytes?: number;
	volumes?: number;
	queries?: number;
	rowsReadPerRow?: number;
	processorMs: ByName;
	/** Page faults for each MB of SQL. */
	pageFaults: ByName;
	/** The Worker alone, without D1, R2 and the rest of workerd. */
	workerMs?: number;
	/** `workerMs` relative to that of each baseline. */
	workerMsShareOf?: ByName;
	/** The rest of the workerd process: D1, R2 and the HTTP server. */
	otherWorkerdMs?: number;
	restingMegabytes: ByName;
	peakMegabytes: ByName;
	restingHeapMegabytes?: number;
	peakHeapMegabytes?: number;
}

const COUNTS = ['startSeconds', 'storedBytes', 'volumes', 'queries'] as const;

/** The figures of one result, compared with the baselines among all results. Null if nothing ran. */
export function figuresOf(result: Result, results: Result[]): Figures | null {
	const { runs, megabytes, rows } = result;
	const [first] = runs;
	if (first === undefined) return null;
	const seconds = median(runs.map((run) => run.seconds));
	const counts = COUNTS.filter((name) => first[name] !== undefined);
	const processorMs = medians(runs, (run) => run.cpuSeconds, megabytes / 1000);
	return {
		seconds,
		megabytesPerSecond: megabytes / seconds,
		timesAsFastAs: ratios(result, results, speeds),
		...Object.fromEntries(counts.map((name) => [name, median(runs.map((run) => run[name] ?? 0))])),
		...(first.rowsRead !== undefined && {
			rowsReadPerRow: median(runs.map(({ rowsRead = 0 }) => rowsRead / rows)),
		}),
		processorMs,
		pageFaults: medians(runs, (run) => run.pageFaults, megabytes),
		...(result.profiles.length > 0 && profileFigures(result, results, processorMs)),
		restingMegabytes: medians(runs, (run) => run.restingMegabytes),
		peakMegabytes: medians(runs, (run) => run.peakMegabytes),
	};
}

/** Sum of the values. */
export function total(values: ByName): number {
	return Object.values(values).reduce((sum, value) => sum + value, 0);
}

function profileFigures(
	result: Result,
	results: Result[],
	{ workerd = 0 }: ByName,
): Partial<Figures> {
	const { profiles, megabytes } = result;
	const workerMs = (1000 * median(workerSeconds(result))) / megabytes;
	return {
		workerMs,
		workerMsShareOf: ratios(result, results, workerSeconds),
		otherWorkerdMs: workerd - workerMs,
		restingHeapMegabytes: median(profiles.map((profile) => profile.restingHeapMegabytes)),
		peakHeapMegabytes: median(profiles.map((profile) => profile.peakHeapMegabytes)),
	};
}

function speeds({ runs, megabytes }: Result): number[] {
	return runs.map(({ seconds }) => megabytes / seconds);
}

function workerSeconds({ profiles }: Result): number[] {
	return profiles.map(({ workerCpuSeconds }) => workerCpuSeconds);
}

/** For each baseline, the median of a value's ratio to the baseline's value in the same round. */
function ratios(result: Result, results: Result[], valuesOf: (result: Result) => number[]): ByName {
	const baselines = results.flatMap((other) => {
		const isComparable = other.group === result.group && other.megabytes === result.megabytes;
		const values = isComparable ? valuesOf(other) : [];
		if (other.baseline === null || values.length === 0) return [];
		const own = valuesOf(result).slice(0, values.length);
		const perRound = own.map((value, round) => value / (values[round] ?? Number.NaN));
		return [[other.baseline, median(perRound)] as const];
	});
	return Object.fromEntries(baselines);
}

function medians(runs: Run[], valuesOf: (run: Run) => ByName, divisor = 1): ByName {
	const names = new Set(runs.flatMap((run) => Object.keys(valuesOf(run))));
	const medianOf = (name: string) =>
		median(runs.map((run) => (valuesOf(run)[name] ?? 0) / divisor));
	return Object.fromEntries([...names].map((name) => [name, medianOf(name)]));
}
