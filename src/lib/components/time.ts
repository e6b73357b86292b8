import { harmless, shortened } from './text.ts';

/** How much of a time is printed. */
export type Precision = 'day' | 'minute' | 'second';

const LOCALE = 'en-GB';
const OPTIONS: Record<Precision, Intl.DateTimeFormatOptions> = {
	day: { dateStyle: 'medium' },
	minute: { dateStyle: 'medium', timeStyle: 'short' },
	second: { dateStyle: 'medium', timeStyle: 'medium' },
};

/** Making one takes longer than a hundred uses of it. */
const formats = new Map<string, Intl.DateTimeFormat>();

/** Characters that are shown of what is not a time. */
const MOST = 40;

/**
 * A time as people read it, `27 Nov 2026, 10:02`, in a time zone, or in the viewer's own if it is undefined.
 * A text that is not a time is shown as it is, or its beginning.
 */
export function printTime(at: string, precision: Precision, timeZone: string | undefined): string {
	const time = Date.parse(at);
	return Number.isNaN(time)
		? harmless(shortened(at, MOST))
		: formatOf(precision, timeZone).format(time);
}

/** What `Intl.DateTimeFormat` takes to print times like {@link printTime} for the viewer, as JSON: for live.js. */
export function localFormat(precision: Precision): string {
	return JSON.stringify([LOCALE, OPTIONS[precision]]);
}

/** The month and the day in UTC, for axes: `27 Nov`. */
export function printDay(at: string): string {
	return printTime(at, 'day', 'UTC').replace(/ \d{4}$/, '');
}

function formatOf(precision: Precision, timeZone: string | undefined): Intl.DateTimeFormat {
	const key = `${precision} ${timeZone}`;
	const known = formats.get(key);
	if (known) return known;
	const format = new Intl.DateTimeFormat(LOCALE, { ...OPTIONS[precision], timeZone });
	formats.set(key, format);
	return format;
}
