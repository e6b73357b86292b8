// How the dashboard prints numbers, spans of time and texts that come from anywhere.

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const UNITS = ['bytes', 'kB', 'MB', 'GB', 'TB', 'PB'];

/** A number with thousands separators: `1,234`. */
export function count(number: number): string {
	return number.toLocaleString('en');
}

/** A number and its noun: `1 backup`, `1,234 backups`. */
export function counted(number: number, noun: string): string {
	return `${count(number)} ${noun}${number === 1 ? '' : 's'}`;
}

/** Bytes with three digits, in powers of 1000: `1.31 MB`. */
export function bytes(number: number): string {
	const power = Math.min(Math.floor(Math.log10(Math.max(number, 1)) / 3), UNITS.length - 1);
	if (power === 0) return counted(number, 'byte');
	const value = number / 1000 ** power;
	const digits = value < 10 ? 2 : value < 100 ? 1 : 0;
	return `${value.toFixed(digits)} ${UNITS[power]}`;
}

/** A difference with its sign, a true minus: `+1,234`, `−5`, `0`. */
export function signed(number: number, print: (number: number) => string = count): string {
	if (number === 0) return print(0);
	return `${number > 0 ? '+' : '−'}${print(Math.abs(number))}`;
}

/** Milliseconds of work: `84 ms`, `3.4 s`, `12 min`. */
export function duration(milliseconds: number): string {
	if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`;
	if (milliseconds < 100_000) return `${(milliseconds / 1000).toFixed(1)} s`;
	return `${count(Math.round(milliseconds / MINUTE_MS))} min`;
}

/** A span of time as people say it: `1 minute`, `5 hours`, `12 days`. */
export function span(milliseconds: number): string {
	if (milliseconds < 1.5 * MINUTE_MS) return '1 minute';
	if (milliseconds < 1.5 * HOUR_MS) return counted(Math.round(milliseconds / MINUTE_MS), 'minute');
	if (milliseconds < 2 * DAY_MS) return counted(Math.round(milliseconds / HOUR_MS), 'hour');
	return counted(Math.round(milliseconds / DAY_MS), 'day');
}

/** How long ago a time was: `5 hours ago`, `just now`. */
export function ago(time: number, now: number): string {
	return now - time < MINUTE_MS ? 'just now' : `${span(now - time)} ago`;
}

/**
 * What a reader could not see or would misread: control and format characters, line ends, fillers, and
 * marks that pile up on one letter. The selectors of emoji stay.
 */
const DECEPTIVE = /(?![\ufe0e\ufe0f])[\p{C}\p{Zl}\p{Zp}\p{DI}]|(?<=\p{M}{4})\p{M}/gu;

/** A text from anywhere as it may be shown: `\u{202e}` stands for a character that would mislead. */
export function harmless(text: string): string {
	return text.replace(DECEPTIVE, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`);
}

/** The first characters of a text, as many as people read in a line; the same text if it is short. */
export function shortened(text: string, most: number): string {
	if (text.length <= most) return text;
	const cut = text.slice(0, most - 1);
	return `${cut.replace(/[\ud800-\udbff]$/, '')}…`; // not half of a pair
}
