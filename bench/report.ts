import { mkdirSync, writeFileSync } from 'node:fs';
import type { Result } from './contenders.ts';
import { type Figures, figuresOf, total } from './figures.ts';
import type { Machine } from './machine.ts';
import { fixed, formatColumns } from './table.ts';

const FOLDER = new URL('results/', import.meta.url);
/** Milliseconds and megabytes below this are not listed: they would round to 0. */
const NEGLIGIBLE = 0.5;

/** Printed above a group's tables. */
const NOTES: Record<string, string> = {
	'end to end': `The embedded bucket reads uploads in JavaScript, 4 KiB at a time. That takes about 13 ms of CPU time
per MB, half as much as a plain dump. The real R2 runs elsewhere and adds none of it. To compare the
dumps themselves, use the figures of DUMP ALONE, whose bucket counts bytes and drops them.`,
};

/** Tables of speed, cost and scaling for each group. */
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

/** All runs and figures as JSON, with numbers rounded to four decimal places. */
export function resultsAsJson(results: Result[], machine: Machine, date: Date): string {
	const figures = {
		date: date.toISOString().slice(0, 10),
		machine,
		results: results.map((result) => ({ ...result, figures: figuresOf(result, results) })),
	};
	const rounded = (_: string, value: unknown) =>
		typeof value === 'number' ? Math.round(value * 1e4) / 1e4 : value;
	return `${JSON.stringify(figures, rounded, '\t')}\n`;
}

/** Writes a file to bench/results/. */
export function save(name: string, content: string): void {
	mkdirSync(FOLDER, { recursive: true });
	writeFileSync(new URL(name, FOLDER), content);
}

function formatSpeed(entries: [Result, Figures | null][]): string {
	const baselines = entries.flatMap(([{ baseline }]) => baseline ?? []);
	const names = [...new Set(baselines)];
	const heads = [
		'MB',
		'',
		's',
		'MB/s',
		'CPU s',
		...names.map((name) => `x ${name}`),
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
	const heads = ['MB', '', 'CPU ms/MB', 'faults/MB', 'Worker', 'vs tutorial', 'rest of workerd'];
	heads.push('RSS at rest, MB', 'RSS peak, MB', 'growth', 'heap peak, MB');
	const rows = entries.map(([result, figures]) => {
		if (figures === null) return [...title(result), '-'];
		const { restingMegabytes: rest, peakMegabytes: peak, workerMsShareOf } = figures;
		return [
			...title(result),
			list(figures.processorMs),
			fixed(total(figures.pageFaults)),
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

/** Cost of each added MB, from size to size. It stays the same if time is linear in the size. */
function formatScaling(entries: [Result, Figures | null][]): string {
	const heads = ['', 'sizes, MB', 'ms per added MB', 'RSS peak growth, MB', 'heap peak growth, MB'];
	const groups = Map.groupBy(entries, ([{ contender }]) => contender);
	const rows = [...groups].flatMap(([name, group]) => {
		const points = group.flatMap(([{ megabytes }, figures]) =>
			figures ? [{ megabytes, ...figures }] : [],
		);
		const [first, last] = [points[0], points.at(-1)];
		if (!first || !last || first === last) return [];
		const slopes = points.slice(1).map(({ megabytes, seconds }, index) => {
			const previous = points[index] ?? first;
			return (1000 * (seconds - previous.seconds)) / (megabytes - previous.megabytes);
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
