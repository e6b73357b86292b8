import type { Failure, Run } from './types.ts';

// Follows a step of a backup while it is made, by the lines of its answer.

/** A line of the answer, as docs/api.md describes them. */
type Line =
	| { event: 'step'; name: string; step: number }
	| { event: 'rows'; table: string; rows: number; bytes: number }
	| { event: 'restart'; attempt: number }
	| { event: 'done'; made: Made }
	| ({ event: 'error' } & Failure);

/** The media type of an answer in lines. */
const LINES = 'application/x-ndjson';

const NO_ANSWER: Failure = {
	error: 'The app did not answer.',
	code: 'no_answer',
	hint: 'Reload the page, and try again.',
};
const BROKEN_OFF: Failure = {
	error: 'The answer broke off.',
	code: 'answer_broken_off',
	hint: 'Reload the page: it shows whether the backup is still being made.',
};

/** How a step ended. */
export interface Made {
	name: string;
	isDone: boolean;
	/** Seconds to wait before the next step, if any. */
	retryAfter: number;
}

/** How far a run is, with what has been counted of the table that is open. */
export interface Followed {
	run: Run;
	open: { table: string; rows: number; bytes: number } | null;
}

/** A run of which nothing is known yet. */
export function newRun(now: number, expected: Run['expected']): Run {
	return {
		...{ name: '', state: 'running', resumesAt: null, step: 1, attempt: 1 },
		...{ tables: 0, rows: 0, sqlBytes: 0, table: null, error: null, expected },
		startedAt: new Date(now).toISOString(),
	};
}

/** The run after a line. Pure. */
export function followed({ run, open }: Followed, line: Line): Followed {
	switch (line.event) {
		case 'step':
			return { run: { ...run, name: line.name, step: line.step, state: 'running' }, open };
		case 'restart': {
			const zero = { tables: 0, rows: 0, sqlBytes: 0, table: null };
			return { run: { ...run, ...zero, attempt: line.attempt }, open: null };
		}
		case 'rows':
			return counted(run, open, line);
		case 'done':
			return { run: ended(run, line.made), open: null };
		case 'error': {
			const { error, code, hint } = line;
			return { run: failed(run, { error, code, hint }), open: null };
		}
		default: // of a newer app than the page's
			return { run, open };
	}
}

/**
 * Takes one step, and reports the run as the lines of the answer come. The run that it returns is never
 * `running`: an answer that says nothing of an end makes it `failed`. Throws if there is no answer at all.
 */
export async function followStep(
	address: string,
	run: Run,
	report: (run: Run) => void,
): Promise<Run> {
	const response = await fetch(address, { method: 'POST', headers: { Accept: LINES } });
	const isStream = response.headers.get('Content-Type')?.startsWith(LINES);
	if (!isStream || response.body === null) return failed(run, await failureOf(response));
	let state: Followed = { run, open: null };
	let isOver = false;
	for await (const lines of linesOf(response.body)) {
		for (const line of lines) {
			state = followed(state, line);
			isOver ||= line.event === 'done' || line.event === 'error';
		}
		report(state.run);
	}
	return isOver ? state.run : failed(state.run, BROKEN_OFF);
}

/** The lines that come at a time, up to where the answer ends or breaks off. */
async function* linesOf(body: ReadableStream<BufferSource>): AsyncGenerator<Line[]> {
	const reader = body.pipeThrough(new TextDecoderStream()).getReader();
	let rest = '';
	try {
		for (let read = await reader.read(); !read.done; read = await reader.read()) {
			const lines = (rest + read.value).split('\n');
			rest = lines.pop() ?? '';
			yield lines.map((line) => JSON.parse(line) as Line);
		}
	} catch {
		// A lost connection, or a line that is not whole: no more is known than what came before.
	}
}

function counted(
	run: Run,
	open: Followed['open'],
	line: Extract<Line, { event: 'rows' }>,
): Followed {
	const { table, rows, bytes } = line;
	// A table that the step before began is in the run's numbers already.
	const known = open ?? (run.table === table ? { table, rows, bytes } : null);
	const before = known?.table === table ? known : { rows: 0, bytes: 0 };
	const isNext = run.table !== null && run.table !== table;
	const next: Run = {
		...run,
		table,
		tables: run.tables + (isNext ? 1 : 0),
		rows: run.rows + rows - before.rows,
		sqlBytes: run.sqlBytes + bytes - before.bytes,
	};
	return { run: next, open: { table, rows, bytes } };
}

function ended(run: Run, { name, isDone, retryAfter }: Made): Run {
	const tables = run.tables + (run.table === null ? 0 : 1);
	if (isDone) return { ...run, name, state: 'done', table: null, tables };
	const resumesAt = new Date(Date.now() + retryAfter * 1000).toISOString();
	return { ...run, name, state: 'waiting', resumesAt };
}

function failed(run: Run, error: Failure): Run {
	return { ...run, state: 'failed', error };
}

/** What an answer without lines says: the app's error, or that it is none of the app's. */
async function failureOf(response: Response): Promise<Failure> {
	const answer: unknown = await response.json().catch(() => null);
	return isFailure(answer) ? answer : NO_ANSWER;
}

function isFailure(answer: unknown): answer is Failure {
	const { error, code, hint } = (answer ?? {}) as Record<string, unknown>;
	return [error, code, hint].every((text) => typeof text === 'string');
}
