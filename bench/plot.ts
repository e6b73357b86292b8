import type { Result } from './contenders.ts';
import { type Figures, figuresOf, total } from './figures.ts';

// Plain SVG. Its colours can be read on white and on black, and nothing is behind them.
const COLOURS = ['#2f81f7', '#1a9ba8', '#8957e5', '#d2569f', '#2da44e', '#db6d28', '#e5534b'];
const INK = '#7d8590';
const FONT = 'font-family="system-ui, sans-serif" font-size="12"';

const WIDTH = 860;
const PANEL = { width: 330, height: 220, top: 40, lefts: [60, 500] };
const LEGEND = { top: PANEL.top + PANEL.height + 60, line: 20 };
/** Lines of the grid, about. */
const TICKS = 4;

interface Series {
	name: string;
	colour: string;
	/** All but Lifeboat's own. */
	isDashed: boolean;
	points: { x: number; y: number }[];
}

/** Time and memory of all contenders of a group against size, as an SVG image. */
export function plot(group: string, title: string, all: Result[]): string {
	const results = all.filter((result) => result.group === group);
	const seconds = seriesOf(results, (figures) => figures.seconds);
	const memory = seriesOf(results, ({ peakMegabytes }) => total(peakMegabytes));
	const legendLines = Math.ceil(seconds.length / PANEL.lefts.length);
	const height = LEGEND.top + legendLines * LEGEND.line;
	const size = `viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}"`;
	return [
		`<svg xmlns="http://www.w3.org/2000/svg" ${size} role="img" ${FONT} fill="${INK}">`,
		`<title>${escape(title)}: seconds and memory against size</title>`,
		panel(PANEL.lefts[0] ?? 0, `${title}: seconds`, seconds),
		panel(PANEL.lefts[1] ?? 0, 'Peak memory of all its processes, MB', memory),
		...seconds.map((series, index) => legend(series, index, legendLines)),
		'</svg>\n',
	].join('\n');
}

function seriesOf(results: Result[], value: (figures: Figures) => number): Series[] {
	const groups = [...Map.groupBy(results, ({ contender }) => contender)];
	return groups.map(([name, group], index) => ({
		name,
		colour: COLOURS[index] ?? INK,
		isDashed: !name.startsWith('Lifeboat'),
		points: group.flatMap((result) => {
			const figures = figuresOf(result, results);
			return figures ? [{ x: result.megabytes, y: value(figures) }] : [];
		}),
	}));
}

function panel(left: number, title: string, series: Series[]): string {
	const points = series.flatMap((one) => one.points);
	const xs = axis(points.map(({ x }) => x));
	const ys = axis(points.map(({ y }) => y));
	const x = (value: number) => round(left + (value / (xs.at(-1) ?? 1)) * PANEL.width);
	const y = (value: number) => round(PANEL.top + PANEL.height * (1 - value / (ys.at(-1) ?? 1)));
	const [right, bottom] = [left + PANEL.width, PANEL.top + PANEL.height];
	return [
		text(left, 20, title, 'font-weight="600"'),
		...ys.map(
			(value) =>
				line([left, right], [y(value), y(value)], `stroke="${INK}" stroke-opacity="0.3"`) +
				text(left - 8, y(value) + 4, label(value), 'text-anchor="end"'),
		),
		...xs.map((value) => text(x(value), bottom + 18, label(value), 'text-anchor="middle"')),
		text(left + PANEL.width / 2, bottom + 36, 'MB of SQL', 'text-anchor="middle"'),
		...series.map((one) => curve(one, x, y)),
	].join('\n');
}

function curve(series: Series, x: (value: number) => number, y: (value: number) => number): string {
	const points = series.points.map((point) => [x(point.x), y(point.y)]);
	const dots = points.map(
		([cx, cy]) => `<circle cx="${cx}" cy="${cy}" r="3" fill="${series.colour}"/>`,
	);
	return `<polyline points="${points.join(' ')}" fill="none" ${stroke(series)}/>${dots.join('')}`;
}

function legend(series: Series, index: number, lines: number): string {
	const left = PANEL.lefts[Math.floor(index / lines)] ?? 0;
	const y = LEGEND.top + (index % lines) * LEGEND.line;
	return line([left, left + 24], [y - 4, y - 4], stroke(series)) + text(left + 32, y, series.name);
}

function stroke({ colour, isDashed }: Series): string {
	return `stroke="${colour}" stroke-width="2"${isDashed ? ' stroke-dasharray="6 3"' : ''}`;
}

function line([x1, x2]: [number, number], [y1, y2]: [number, number], style: string): string {
	return `<line x1="${x1}" x2="${x2}" y1="${y1}" y2="${y2}" ${style}/>`;
}

function text(x: number, y: number, content: string, style = ''): string {
	return `<text x="${x}" y="${y}" ${style}>${escape(content)}</text>`;
}

/** Even steps from 0 to the greatest value or the next step above it. */
function axis(values: number[]): number[] {
	const greatest = Math.max(0.01, ...values);
	const step = niceStep(greatest / TICKS);
	return Array.from({ length: Math.ceil(greatest / step) + 1 }, (_, index) => index * step);
}

/** The next of 1, 2, 5, 10, 20, … */
function niceStep(least: number): number {
	const power = 10 ** Math.floor(Math.log10(least));
	return ([1, 2, 5].find((digit) => digit * power >= least) ?? 10) * power;
}

function label(value: number): string {
	return Number(value.toFixed(3)).toLocaleString('en');
}

function round(value: number): number {
	return Math.round(value * 10) / 10;
}

function escape(content: string): string {
	return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
