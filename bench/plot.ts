import * as echarts from 'echarts/core';
import { LineChart } from 'echarts/charts';
import { GridComponent, LegendComponent, TitleComponent } from 'echarts/components';
import { SVGRenderer } from 'echarts/renderers';
import type { Result } from './contenders.ts';
import { type Figures, figuresOf, total } from './figures.ts';

echarts.use([LineChart, GridComponent, LegendComponent, TitleComponent, SVGRenderer]);

const SIZE = { width: 860, height: 380 };
/** Readable on white and on black, because the image has no background. */
const INK = '#7d8590';
const COLOURS = ['#2f81f7', '#1a9ba8', '#8957e5', '#d2569f', '#2da44e', '#db6d28', '#e5534b'];

/** An SVG image of time and memory against size, with a curve for each contender of a group. */
export function plot(group: string, title: string, all: Result[]): string {
	const results = all.filter((result) => result.group === group);
	const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, ...SIZE });
	chart.setOption({
		animation: false,
		color: COLOURS,
		textStyle: { color: INK, fontFamily: 'system-ui, sans-serif' },
		title: [panelTitle(`${title}: seconds`, '6%'), panelTitle('Peak memory, MB', '56%')],
		legend: { bottom: 0, textStyle: { color: INK }, icon: 'roundRect', itemHeight: 4, itemGap: 24 },
		grid: [
			{ left: '6%', right: '54%', top: 45, bottom: 105 },
			{ left: '56%', right: '4%', top: 45, bottom: 105 },
		],
		xAxis: [sizeAxis(0), sizeAxis(1)],
		yAxis: [valueAxis(0), valueAxis(1)],
		series: [
			...curves(results, 0, ({ seconds }) => seconds),
			...curves(results, 1, ({ peakMegabytes }) => total(peakMegabytes)),
		],
	});
	const svg = chart.renderToSVGString();
	chart.dispose();
	return `${svg}\n`;
}

function panelTitle(text: string, left: string) {
	return { text, left, top: 5, textStyle: { color: INK, fontSize: 13 } };
}

function sizeAxis(gridIndex: number) {
	return {
		gridIndex,
		type: 'value' as const,
		name: 'MB of SQL',
		nameLocation: 'middle' as const,
		nameTextStyle: { color: INK },
		axisLabel: { color: INK },
		splitLine: { show: false },
	};
}

function valueAxis(gridIndex: number) {
	return {
		gridIndex,
		type: 'value' as const,
		splitNumber: 4,
		axisLabel: { color: INK },
		splitLine: { lineStyle: { color: INK, opacity: 0.3 } },
	};
}

/** One curve for each contender: solid for Lifeboat, dashed for the others. */
function curves(results: Result[], axis: number, valueOf: (figures: Figures) => number) {
	const contenders = [...Map.groupBy(results, ({ contender }) => contender)];
	return contenders.map(([name, group]) => ({
		name,
		type: 'line' as const,
		xAxisIndex: axis,
		yAxisIndex: axis,
		symbol: 'circle',
		lineStyle: { type: name.startsWith('Lifeboat') ? ('solid' as const) : ('dashed' as const) },
		data: group.flatMap((result) => {
			const figures = figuresOf(result, results);
			return figures ? [[result.megabytes, valueOf(figures)]] : [];
		}),
	}));
}
