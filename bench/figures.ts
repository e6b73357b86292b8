import { median, type Result, type Run } from './contenders.ts';

/** By program, as in a run, or by the short name of a contender. */
type ByName = Record<string, number>;

/** The medians of a contender's runs at one size. Milliseconds are of the processor, for 1 MB of SQL. */
export interface Figures {
	seconds: number;
	megabytesPerSecond: number;
	/** In the same rounds: the median of the quotients. */
	timesAsFastAs: ByName;
	startSeconds?: number;
	storedBytes?: number;
	volumes?: number;
	queries?: number;
	rowsReadPerRow?: number;
	processorMs: ByName;
	/** Of the Worker alone, and as a share of another Worker's. */
	workerMs?: number;
	workerMsShareOf?: ByName;
	/** All else in the process of workerd: D1, R2 and the server, as far as it is not the Worker. */
	otherWorkerdMs?: number;
	restingMegabytes: ByName;
	peakMegabytes: ByName;
	restingHeapMegabytes?: number;
	peakHeapMegabytes?: number;
}

const COUNTS = ['startSeconds', 'storedBytes', 'volumes', 'queries'] as const;

/** The figures of a result among all results; null where nothing ran. */
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
		timesAsFastAs: quotients(result, results, speeds),
		...Object.fromEntries(counts.map((name) => [name, median(runs.map((run) => run[name] ?? 0))])),
		...(first.rowsRead !== undefined && {
			rowsReadPerRow: median(runs.map(({ rowsRead = 0 }) => rowsRead / rows)),
		}),
		processorMs,
		...(result.profiles.length > 0 && profileFigures(result, results, processorMs)),
		restingMegabytes: medians(runs, (run) => run.restingMegabytes),
		peakMegabytes: medians(runs, (run) => run.peakMegabytes),
	};
}

/** All values together. */
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
		workerMsShareOf: quotients(result, results, workerSeconds),
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

/** A value of each round by that of each baseline in the same round: their medians. */
function quotients(
	result: Result,
	results: Result[],
	valuesOf: (result: Result) => number[],
): ByName {
	const baselines = results.flatMap((other) => {
		const isRival = other.group === result.group && other.megabytes === result.megabytes;
		const values = isRival ? valuesOf(other) : [];
		if (other.baseline === null || values.length === 0) return [];
		const ours = valuesOf(result).slice(0, values.length);
		const own = ours.map((value, round) => value / (values[round] ?? Number.NaN));
		return [[other.baseline, median(own)] as const];
	});
	return Object.fromEntries(baselines);
}

function medians(runs: Run[], valuesOf: (run: Run) => ByName, divisor = 1): ByName {
	const names = new Set(runs.flatMap((run) => Object.keys(valuesOf(run))));
	const medianOf = (name: string) =>
		median(runs.map((run) => (valuesOf(run)[name] ?? 0) / divisor));
	return Object.fromEntries([...names].map((name) => [name, medianOf(name)]));
}
