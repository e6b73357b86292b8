import { type Answer, cut, json, line, lines } from '../stand-in.ts';

/** The summary of the backup that every stand-in makes. */
export const SUMMARY = {
	name: 'full_backup_2026-11-22T21:52:00.000Z',
	startedAt: '2026-11-22T21:52:00.000Z',
	finishedAt: '2026-11-22T21:53:02.340Z',
	consistency: 'fenced',
	tables: 12,
	rows: 1_234_567,
	bytes: 98_765_432,
	warnings: 0,
};

/** A line of progress. */
export const ROWS = { event: 'rows', table: 'users', rows: 500, bytes: 60_000 };

/** The last line of a backup in one call. */
export const DONE = { event: 'done', success: true, backup: SUMMARY };

/** The body of the call that starts a backup. */
export const FIRST = { action: 'backup' };

/** The body of the call that makes this step. */
export const ticketFor = (step: number) => ({ action: 'resume', ticket: SteppedApp.ticket(step) });

/** An answer in place of the usual one; with `after`, only once the step is done. */
export interface Fault {
	after?: boolean;
	answer: Answer;
}

/** The connection breaks after a line of progress. */
export const BROKEN: Fault = { answer: cut(line(ROWS)) };
/** The connection breaks, but the step is done. */
export const LOST: Fault = { after: true, answer: cut(line(ROWS)) };

/** A stand-in for an app that makes a backup in steps and follows the rules of tickets. */
export class SteppedApp {
	/** The steps done, in order. */
	readonly done: number[] = [];
	readonly #steps: number;
	readonly #faults: Record<number, Fault>;
	readonly #retryAfter: number | undefined;
	#calls = 0;

	/**
	 * `faults` are keyed by the number of the call, from 1; `retryAfter` is the pause that it asks for, in
	 * seconds.
	 */
	constructor(steps: number, faults: Record<number, Fault> = {}, retryAfter?: number) {
		this.#steps = steps;
		this.#faults = faults;
		this.#retryAfter = retryAfter;
	}

	/** The ticket that starts a step. */
	static ticket(step: number): string {
		return `eyJ-step_${step}.QUJD`;
	}

	readonly answer: Answer = (request, response, body) => {
		const fault = this.#faults[++this.#calls];
		if (fault && !fault.after) return fault.answer(request, response, body);
		const usual = this.#take(body);
		(fault?.answer ?? usual)(request, response, body);
	};

	/** Does a step, or repeats the answer to the last one. */
	#take(body: string): Answer {
		const { action, ticket } = JSON.parse(body);
		const step = this.done.length + 1;
		if (action === 'backup' && step === 1) this.done.push(step);
		else if (ticket === SteppedApp.ticket(step) && step <= this.#steps) this.done.push(step);
		else if (ticket !== SteppedApp.ticket(step - 1)) return json(409, refusal('ticket_spent'));
		return this.#result(this.done.length);
	}

	#onward(step: number): object {
		const pause = this.#retryAfter === undefined ? {} : { retryAfter: this.#retryAfter };
		return { success: true, ...onward(step), ...pause };
	}

	/** The app's answer, line by line if the caller accepts that. */
	#result(step: number): Answer {
		const last = step === this.#steps;
		const result = last ? { success: true, backup: SUMMARY } : this.#onward(step);
		return (request, response) => {
			const answer = request.headers.accept?.includes('application/x-ndjson')
				? lines(200, ROWS, { event: 'done', ...result })
				: json(last ? 201 : 202, result);
			answer(request, response);
		};
	}
}

/** The body of the answer to a step, without a pause: the ticket for the next one, and the progress. */
export function onward(step: number, sqlBytes = step * 16_000_000) {
	const { name } = SUMMARY;
	const progress = { name, step, tables: step, rows: step * 10_000, sqlBytes };
	return { resume: SteppedApp.ticket(step + 1), progress };
}

/** The body of an error answer. */
export function refusal(code: string) {
	return { error: 'It does not go on.', code, hint: 'Begin a new backup.' };
}
