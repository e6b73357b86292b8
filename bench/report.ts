import { mkdirSync, writeFileSync } from 'node:fs';
import type { Result } from './contenders.ts';
import { type Figures, figuresOf, total } from './figures.ts';
import type { Machine } from './machine.ts';
import { fixed, formatColumns } from './table.ts';

const FOLDER = new URL('results/', import.meta.url);
/** Milliseconds and megabytes below this are not worth a word. */
const NEGLIGIBLE = 0.5;

/** Why there are two kinds of dumps. */
const NOTES: Record<string, string> = {
	'end to end': `The embedded bucket reads what is stored in pieces of 4 KiB in JavaScript: some 13 ms of the
processor for each MB, about as much as a dump itself, and the same for all. The real R2 runs
elsewhere. So the figures to compare are those of the dump alone, where the bytes are counted
and dropped.`,
};

/** Tables for people, by group: speed, what it costs, and how both change with the size. */
export function formatResults(results: Result[]): string {
	const groups = [...Map.groupBy(results, ({ group }) => group)];
	return groups.map(([group, members]) => formatGroup(group, members)).join('\n\n\n');
}

function formatGroup(group: string, results: Result[]): string {
	const entries = results.map((result): [Result, Figures | null] => [
		result,
		figuresOf(result, results),
	]);
	const missing = results
		.filter((result) => result.missing !== null)
		.map((result) => `${result.megabytes} MB, ${result.contender}, ${result.missing}`);
	const parts = [
		[group.toUpperCase(), NOTES[group]].filter((text) => text !== undefined).join('\n'),
		formatSpeed(entries),
		formatCost(entries),
		formatScaling(entries),
		missing.join('\n'),
	];
	return parts.filter((text) => text !== '').join('\n\n');
}

/** All figures, as JSON. */
export function printResults(results: Result[], machine: Machine, date: Date): string {
	const figures = {
		date: date.toISOString().slice(0, 10),
		machine,
		results: results.map((result) => ({ ...result, figures: figuresOf(result, results) })),
	};
	const rounded = (_: string, value: unknown) =>
		typeof value === 'number' ? Math.round(value * 1e4) / 1e4 : value;
	return `${JSON.stringify(figures, rounded, '\t')}\n`;
}

/** Writes a file into results/. */
export function save(name: string, content: string): void {
	mkdirSync(FOLDER, { recursive: true });
	writeFileSync(new URL(name, FOLDER), content);
}

function formatSpeed(entries: [Result, Figures | null][]): string {
	const baselines = entries.flatMap(([{ baseline }]) => baseline ?? []);
	const names = [...new Set(baselines)];
	const times = names.map((name) => `x ${name}`);
	const heads = [
		'MB',
		'',
		's',
		'MB/s',
		'CPU s',
		...times,
		'MB stored',
		'volumes',
		'queries',
		'read per row',
	];
	const rows = entries.map(([result, figures]) => [
		...title(result),
		figures ? fixed(figures.seconds, 2) : '-',
		fixed(figures?.megabytesPerSecond, 1),
		fixed(figures && (total(figures.processorMs) * result.megabytes) / 1000, 1),
		...names.map((name) => fixed(figures?.timesAsFastAs[name], 2)),
		fixed(figures?.storedBytes && figures.storedBytes / 1e6, 1),
		fixed(figures?.volumes),
		fixed(figures?.queries),
		fixed(figures?.rowsReadPerRow, 4),
	]);
	return formatColumns(heads, rows);
}

function formatCost(entries: [Result, Figures | null][]): string {
	const heads = ['MB', '', 'CPU ms/MB', 'Worker', "of tutorial's", 'else in workerd'];
	heads.push('RSS at rest, MB', 'RSS peak, MB', 'grows', 'heap peak');
	const rows = entries.map(([result, figures]) => {
		if (figures === null) return [...title(result), '-'];
		const { restingMegabytes: rest, peakMegabytes: peak, workerMsShareOf } = figures;
		return [
			...title(result),
			list(figures.processorMs),
			fixed(figures.workerMs, 2),
			fixed(workerMsShareOf?.['tutorial'], 2),
			fixed(figures.otherWorkerdMs, 2),
			list(rest),
			list(peak),
			total(rest) > 0 ? fixed(total(peak) - total(rest)) : '',
			fixed(figures.peakHeapMegabytes),
		];
	});
	return formatColumns(heads, rows);
}

/** What a contender takes for more data: the same from size to size where time is linear. */
function formatScaling(entries: [Result, Figures | null][]): string {
	const heads = [
		'',
		'sizes, MB',
		'ms for each MB more',
		'RSS peak grows, MB',
		'heap peak grows, MB',
	];
	const groups = Map.groupBy(entries, ([{ contender }]) => contender);
	const rows = [...groups].flatMap(([name, group]) => {
		const points = group.flatMap(([{ megabytes }, figures]) =>
			figures ? [{ megabytes, ...figures }] : [],
		);
		const [first, last] = [points[0], points.at(-1)];
		if (!first || !last || first === last) return [];
		const slopes = points.slice(1).map(({ megabytes, seconds }, index) => {
			const before = points[index] ?? first;
			return (1000 * (seconds - before.seconds)) / (megabytes - before.megabytes);
		});
		const heap = (last.peakHeapMegabytes ?? Number.NaN) - (first.peakHeapMegabytes ?? Number.NaN);
		return [
			[
				name,
				points.map(({ megabytes }) => megabytes).join(', '),
				slopes.map((slope) => fixed(slope, 1)).join(', '),
				fixed(total(last.peakMegabytes) - total(first.peakMegabytes)),
				fixed(heap),
			],
		];
	});
	return rows.length === 0 ? '' : formatColumns(heads, rows);
}

function title({ megabytes, contender }: Result): string[] {
	return [String(megabytes), contender];
}

function list(values: Record<string, number>): string {
	return Object.entries(values)
		.filter(([, value]) => value >= NEGLIGIBLE)
		.map(([name, value]) => `${name} ${fixed(value)}`)
		.join(', ');
}
