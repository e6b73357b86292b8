import type { Failure, Run } from './types.ts';

// Follows a step of a backup while it is made, by the lines of its answer.

/** A line of the answer, as docs/api.md describes them. */
type Line =
	| { event: 'step'; name: string; step: number }
	| { event: 'rows'; table: string; rows: number; bytes: number }
	| { event: 'restart'; attempt: number }
	| { event: 'done'; made: Made }
	| ({ event: 'error' } & Failure);

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
			return { run: ended(run, line.made, open !== null), open: null };
		case 'error': {
			const { error, code, hint } = line;
			return { run: { ...run, state: 'failed', error: { error, code, hint } }, open: null };
		}
	}
}

/** Takes one step, and reports the run after each line of the answer. Throws if there is no answer. */
export async function followStep(
	address: string,
	run: Run,
	report: (run: Run) => void,
): Promise<Run> {
	const response = await fetch(address, {
		method: 'POST',
		headers: { Accept: 'application/x-ndjson' },
	});
	if (!response.ok || response.body === null) return refused(run, response);
	let state: Followed = { run, open: null };
	const lines = response.body.pipeThrough(new TextDecoderStream()).getReader();
	let rest = '';
	for (let read = await lines.read(); !read.done; read = await lines.read()) {
		const parts = (rest + read.value).split('\n');
		rest = parts.pop() ?? '';
		for (const part of parts) state = followed(state, JSON.parse(part) as Line);
		report(state.run);
	}
	return state.run;
}

function counted(
	run: Run,
	open: Followed['open'],
	line: Extract<Line, { event: 'rows' }>,
): Followed {
	const { table, rows, bytes } = line;
	// A table that the step before began is in the run's numbers already.
	const known = open ?? (run.table === table ? { table, rows, bytes } : null);
	const isSame = known?.table === table;
	const before = isSame ? known : { rows: 0, bytes: 0 };
	const next: Run = {
		...run,
		table,
		tables: run.tables + (known && !isSame ? 1 : 0),
		rows: run.rows + rows - before.rows,
		sqlBytes: run.sqlBytes + bytes - before.bytes,
	};
	return { run: next, open: { table, rows, bytes } };
}

function ended(run: Run, { name, isDone, retryAfter }: Made, isOpen: boolean): Run {
	const tables = run.tables + (isOpen ? 1 : 0);
	if (isDone) return { ...run, name, state: 'done', table: null, tables };
	const resumesAt = new Date(Date.now() + retryAfter * 1000).toISOString();
	return { ...run, name, state: 'waiting', resumesAt };
}

async function refused(run: Run, response: Response): Promise<Run> {
	const known = response.headers.get('Content-Type')?.startsWith('application/json');
	const error: Failure = known
		? ((await response.json()) as Failure)
		: {
				error: 'The app did not answer.',
				code: 'no_answer',
				hint: 'Reload the page, and try again.',
			};
	return { ...run, state: 'failed', error };
}
