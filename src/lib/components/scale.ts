import { bytes, count, duration } from './text.ts';
import type { Measure, Measured } from './types.ts';

/** Bars that a picture has room for at least: few of them are not drawn wider. */
const MIN_SLOTS = 24;
/** The first digits at the end of an axis: their halves are round as well. */
const ROUND = [2, 4, 6, 8];
const MINUTE_MS = 60_000;

/** A number of this measure as people read it. */
export const PRINT: Record<Measure, (value: number) => string> = {
	bytes,
	rows: count,
	milliseconds: duration,
};

/** A bar in a picture that is 100 units high. */
export interface Bar extends Measured {
	/** Its place from the left, counted from 0. */
	slot: number;
	height: number;
}

/** The bars of a picture, and the numbers of its axis, from the top: the end, its half, zero. */
export interface Chart {
	slots: number;
	bars: Bar[];
	ticks: string[];
}

/** Draws bars from zero to a round number that none exceeds. The newest, which comes last, is at the right. */
export function chartOf(backups: readonly Measured[], measure: Measure): Chart {
	const slots = Math.max(backups.length, MIN_SLOTS);
	const end = roundEnd(Math.max(0, ...backups.map((backup) => backup[measure])), measure);
	const bars = backups.map((backup, index) => ({
		...backup,
		slot: slots - backups.length + index,
		height: (backup[measure] / end) * 100,
	}));
	return { slots, bars, ticks: [end, end / 2, 0].map((tick) => tickText(tick, measure)) };
}

/** The round number at the end of an axis: not below the largest value, and never zero. */
export function roundEnd(largest: number, measure: Measure): number {
	const unit = measure === 'milliseconds' && largest > 100_000 ? MINUTE_MS : 1;
	const value = Math.max(largest / unit, 2);
	const power = 10 ** Math.floor(Math.log10(value));
	return (ROUND.find((digit) => digit * power >= value) ?? 10) * power * unit;
}

/** Round numbers need no zeros behind the point: `1.5 MB`, `20 kB`, `0`. */
function tickText(value: number, measure: Measure): string {
	if (value === 0) return '0';
	return PRINT[measure](value).replace(/\.(\d*?)0+(?= )/, (_, digits) => digits && `.${digits}`);
}
