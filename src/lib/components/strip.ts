import { counted, harmless } from './text.ts';
import { printTime } from './time.ts';
import type { Day, DayState } from './types.ts';

/** The words for a day, the worst first, as the legend and the summary have them. */
export const DAY_WORDS: Record<DayState, string> = {
	failed: 'failed',
	overdue: 'overdue',
	running: 'running',
	warned: 'with warnings',
	'backed-up': 'backed up',
	proven: 'proven',
	idle: 'none due',
	before: 'before the start',
};

const ORDER = Object.keys(DAY_WORDS) as DayState[];
/** Days in one row on a phone. */
export const ROW = 45;

/** The states that occur, in the order of the legend. */
export function statesOf(days: readonly Day[]): DayState[] {
	return ORDER.toReversed().filter((state) => days.some((day) => day.state === state));
}

/** What the strip shows, as a sentence: `90 days: 80 proven, 2 failed, 8 none due.` */
export function summaryOf(days: readonly Day[]): string {
	const started = days.filter(({ state }) => state !== 'before');
	if (started.length === 0) return 'Nothing has happened yet.';
	const counts = ORDER.toReversed().flatMap((state) => {
		const count = started.filter((day) => day.state === state).length;
		return count > 0 ? [`${count} ${DAY_WORDS[state]}`] : [];
	});
	return `${counted(started.length, 'day')}: ${counts.join(', ')}.`;
}

/** The days that alarm, the newest first. */
export function alarming(days: readonly Day[]): Day[] {
	return days.filter(({ state }) => state === 'failed' || state === 'overdue').toReversed();
}

/** A day in words, for its title: `27 Nov 2026: proven. 2 backups, 1 failed try (storage_error).` */
export function titleOf({ date, state, backups, failures, code }: Day): string {
	const tries = failures === 1 ? '1 failed try' : `${failures} failed tries`;
	const facts = [
		...(backups > 0 ? [counted(backups, 'backup')] : []),
		...(failures > 0 ? [`${tries}${code ? ` (${harmless(code)})` : ''}`] : []),
	];
	const day = printTime(date, 'day', 'UTC');
	return `${day}: ${DAY_WORDS[state]}.${facts.length > 0 ? ` ${facts.join(', ')}.` : ''}`;
}

/** The days in the rows of a phone. */
export function rowsOf(days: readonly Day[]): Day[][] {
	const rows = Math.ceil(days.length / ROW);
	return Array.from({ length: rows }, (_, row) => days.slice(row * ROW, (row + 1) * ROW));
}
