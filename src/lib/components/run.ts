import { bytes, count, counted, harmless, shortened, span } from './text.ts';
import type { Run } from './types.ts';

/** The part that has to be done before the rest can be estimated. */
const MIN_PART = 0.03;
const MIN_ELAPSED_MS = 3_000;
/** Characters of an error's code. */
const MAX_CODE = 60;

/** What a run shows. */
export interface RunView {
	/** From 0 to 1; null if nobody knows how much there is. */
	part: number | null;
	/** What goes on, in a few words. */
	title: string;
	/** Tables, rows and bytes so far. */
	counts: string;
	/** `about 2 minutes left`; empty if that is unknown. */
	left: string;
	/** The same for screen readers: it changes with every tenth only. */
	spoken: string;
}

/** How far a run is, `now` in milliseconds since 1970. Pure, so that a page shows the same after a reload. */
export function viewOf(run: Run, now: number): RunView {
	const part = partOf(run);
	const left = leftOf(run, part, now);
	const title = titleOf(run, now);
	const tenths = part === null ? '' : ` ${Math.floor(part * 10) * 10} % done.`;
	return { part, title, counts: countsOf(run), left, spoken: `${title}.${tenths}` };
}

/** By the bytes that the backup before had. A larger one never counts as done before it is. */
function partOf({ state, sqlBytes, expected }: Run): number | null {
	if (state === 'done') return 1;
	if (!expected || expected.sqlBytes === 0) return null;
	return Math.min(sqlBytes / expected.sqlBytes, 0.99);
}

function leftOf({ state, startedAt }: Run, part: number | null, now: number): string {
	const elapsed = now - Date.parse(startedAt);
	if (state !== 'running' || part === null || part < MIN_PART || elapsed < MIN_ELAPSED_MS)
		return '';
	if (part === 0.99) return 'almost done';
	return `about ${span((elapsed * (1 - part)) / part)} left`;
}

function titleOf({ state, resumesAt, attempt, error }: Run, now: number): string {
	if (state === 'done') return 'The backup is complete';
	if (state === 'failed')
		return `The backup failed: ${harmless(shortened(error?.code ?? 'unknown', MAX_CODE))}`;
	if (state === 'waiting') {
		const wait = resumesAt ? Date.parse(resumesAt) - now : 0;
		return wait > 0
			? `Waiting, the next step may begin in ${span(wait)}`
			: 'Waiting for the next step';
	}
	return attempt > 1 ? `Starting over, attempt ${attempt}: somebody wrote` : 'Backing up';
}

function countsOf({ tables, rows, sqlBytes, expected }: Run): string {
	const of = (number: number, total: number | undefined, noun: string) =>
		total === undefined || total < number
			? counted(number, noun)
			: `${count(number)} of ${counted(total, noun)}`;
	const size = expected && expected.sqlBytes >= sqlBytes ? ` of ${bytes(expected.sqlBytes)}` : '';
	const [tableText, rowText] = [
		of(tables, expected?.tables, 'table'),
		of(rows, expected?.rows, 'row'),
	];
	return `${tableText}, ${rowText}, ${bytes(sqlBytes)}${size}`;
}
