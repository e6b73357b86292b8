import type { Kind } from '../../src/lib/server/backup/format/names.ts';
import { median } from '../contenders.ts';
import { describeMachine } from '../machine.ts';
import { fixed, formatColumns } from '../table.ts';

/** What a backup cost. */
export interface Cost {
	/** Bytes of all its objects. */
	storedBytes: number;
	seconds: number;
	cpuSeconds: number;
}

/** A full backup, and the backup after the change. */
interface Pair {
	full: Cost;
	next: Cost;
}

/** All measurements of one case. */
export interface Outcome {
	mode: string;
	name: string;
	/** What the app has chosen to make after the change. */
	kind: Kind;
	/** CPU time is that of workerd, with D1 in it. */
	rounds: Pair[];
	/** Once more under V8's profiler: CPU time is that of the Worker alone. */
	profile: Pair | null;
}

/** The most that any backup may store and take, relative to a full one. */
const MOST = 1.06;
/** For a database that has not changed: bytes stored, and CPU time relative to a full one. */
const UNCHANGED = { bytes: 64 * 1024, cpu: 0.5 };

const HEADS = [
	'',
	'kind',
	'kB stored',
	'of full',
	'CPU s',
	'of full',
	'Worker CPU, of full',
	's',
	'of full',
	'goals',
];

interface Figures {
	storedBytes: number;
	storedShare: number;
	cpuSeconds: number;
	cpuShare: number;
	workerCpuShare: number | null;
	seconds: number;
	secondsShare: number;
}

/** A table of the medians, each with its ratio to a full backup of the same round. */
export function formatOutcomes(outcomes: Outcome[], megabytes: number, wholeBytes: number): string {
	const modes = [...Map.groupBy(outcomes, ({ mode }) => mode)];
	const rows = modes.flatMap(([mode, found]) => [
		[`${mode}: full`, 'full', ...fullCells(found)],
		...found.map((outcome) => rowOf(mode, outcome)),
	]);
	const full = median(outcomes[0]?.rounds.map((pair) => pair.full.storedBytes) ?? []);
	const title = `DIFFERENTIALS, ${megabytes} MB of SQL`;
	const note = `Slices cost a full backup with gzip ${fixed(100 * (full / wholeBytes - 1), 1)} %: as a whole it would have ${fixed(wholeBytes / 1e3)} kB.`;
	return [title, formatColumns(HEADS, rows), note].join('\n\n');
}

/** All measurements and figures as JSON. */
export function outcomesAsJson(outcomes: Outcome[], megabytes: number, wholeBytes: number): string {
	const results = {
		date: new Date().toISOString().slice(0, 10),
		machine: describeMachine(),
		megabytes,
		wholeBytes,
		outcomes: outcomes.map((outcome) => ({ ...outcome, figures: figuresOf(outcome) })),
	};
	const rounded = (_: string, value: unknown) =>
		typeof value === 'number' ? Math.round(value * 1e4) / 1e4 : value;
	return `${JSON.stringify(results, rounded, '\t')}\n`;
}

function figuresOf({ rounds, profile }: Outcome): Figures {
	const of = (value: (cost: Cost) => number) => median(rounds.map(({ next }) => value(next)));
	const share = (value: (cost: Cost) => number) =>
		median(rounds.map(({ next, full }) => value(next) / value(full)));
	return {
		storedBytes: of(({ storedBytes }) => storedBytes),
		storedShare: share(({ storedBytes }) => storedBytes),
		cpuSeconds: of(({ cpuSeconds }) => cpuSeconds),
		cpuShare: share(({ cpuSeconds }) => cpuSeconds),
		workerCpuShare: profile && profile.next.cpuSeconds / profile.full.cpuSeconds,
		seconds: of(({ seconds }) => seconds),
		secondsShare: share(({ seconds }) => seconds),
	};
}

/** The cells of a mode's full backups, of all cases. */
function fullCells(outcomes: Outcome[]): string[] {
	const all = outcomes.flatMap(({ rounds }) => rounds.map(({ full }) => full));
	const of = (value: (cost: Cost) => number) => median(all.map(value));
	return [
		fixed(of(({ storedBytes }) => storedBytes) / 1e3),
		'',
		fixed(
			of(({ cpuSeconds }) => cpuSeconds),
			2,
		),
		'',
		'',
		fixed(
			of(({ seconds }) => seconds),
			2,
		),
		'',
		'',
	];
}

function rowOf(mode: string, outcome: Outcome): string[] {
	const figures = figuresOf(outcome);
	return [
		`${mode}: ${outcome.name}`,
		outcome.kind,
		fixed(figures.storedBytes / 1e3),
		fixed(figures.storedShare, 3),
		fixed(figures.cpuSeconds, 2),
		fixed(figures.cpuShare, 2),
		fixed(figures.workerCpuShare, 2),
		fixed(figures.seconds, 2),
		fixed(figures.secondsShare, 2),
		goalsOf(outcome, figures),
	];
}

/** The goals of a case, each with whether it is met. */
function goalsOf({ name }: Outcome, figures: Figures): string {
	const met = (isMet: boolean) => (isMet ? 'met' : 'MISSED');
	const { storedBytes, storedShare, cpuShare, workerCpuShare } = figures;
	if (name !== 'nothing changed') {
		return [
			`stored <= ${MOST}: ${met(storedShare <= MOST)}`,
			`CPU <= ${MOST}: ${met(cpuShare <= MOST)}`,
		].join(', ');
	}
	const ofWorker = workerCpuShare !== null && met(workerCpuShare <= UNCHANGED.cpu);
	return [
		`stored < 64 KiB: ${met(storedBytes < UNCHANGED.bytes)}`,
		`CPU <= ${UNCHANGED.cpu}: ${met(cpuShare <= UNCHANGED.cpu)}`,
		...(ofWorker ? [`of the Worker: ${ofWorker}`] : []),
	].join(', ');
}
