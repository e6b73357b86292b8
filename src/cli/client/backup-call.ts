import type { StepProgress } from '../../lib/server/backup/engine.ts';
import type { BackupSummary } from '../../lib/server/backup/format/manifest.ts';
import { LifeboatError } from '../../lib/server/errors.ts';
import type { Ended } from '../../lib/server/run/call.ts';
import type { RunCounts } from '../../lib/server/run/state.ts';
import { type Connection, errorIn, reasonOf, send } from './call.ts';
import { parseObject } from './json.ts';
import type { Answer, Body, RunProgress } from './make-backup.ts';

/** The time without a line, while connecting or later. The app sends one for every page. */
const SILENCE_MS = 2 * 60_000;

/** Lines of JSON: they keep a long call alive. */
const LINES = 'application/x-ndjson';

/** The characters of a ticket, none of which begins a workflow command. */
const TICKET = /^[\w.-]+$/;

/** What a caller learns while the backup is being made. */
export interface Listener {
	/** Gets each line of progress, unchecked: docs/api.md describes them. */
	onLine?(line: Record<string, unknown>): void;
	/** Gets each ticket: it must not appear in a log. */
	onTicket?(ticket: string): void;
	/** Gets each database that a backup of all is done with, unchecked; after a lost answer twice. */
	onEnded?(ended: Ended): void;
}

/**
 * One call of `POST /api/backup`, as `makeBackup` needs it. It throws the error that the app states,
 * what {@link send} throws, `answer_broken_off` (503), and the reason of the connection's signal.
 */
export function backupCall(connection: Connection, listener: Listener = {}) {
	return async (body: Body): Promise<Answer> => {
		const { signal } = connection;
		const silence = new AbortController();
		const timer = setTimeout(() => silence.abort(new Error('no line for two minutes')), SILENCE_MS);
		const either = AbortSignal.any([signal, silence.signal]);
		try {
			const call = { method: 'POST', body, accept: LINES } as const;
			const response = await send({ ...connection, signal: either }, call);
			const lines: string[] = [];
			await readLines(response, (line) => {
				timer.refresh();
				lines.push(line);
				listener.onLine?.(parseObject(line));
			});
			endedIn(lines.at(-1) ?? '').forEach((ended) => listener.onEnded?.(ended));
			const answer = answerOf(response, lines);
			if ('resume' in answer) listener.onTicket?.(answer.resume);
			return answer;
		} catch (error) {
			signal.throwIfAborted();
			throw error;
		} finally {
			clearTimeout(timer);
		}
	};
}

/** Passes on the lines that are not empty, as they come. */
async function readLines({ body }: Response, onLine: (line: string) => void): Promise<void> {
	let rest = '';
	try {
		for await (const text of body?.pipeThrough(new TextDecoderStream()) ?? []) {
			const lines = (rest + text).split('\n');
			rest = lines.pop() ?? '';
			lines.filter((line) => line.trim() !== '').forEach(onLine);
		}
	} catch (error) {
		throw brokenOff(reasonOf(error));
	}
	if (rest.trim() !== '') onLine(rest);
}

function answerOf(response: Response, lines: string[]): Answer {
	const answer = response.ok ? answerIn(parseObject(lines.at(-1) ?? '')) : null;
	if (answer) return answer;
	const error = errorIn(response, lines);
	const isStream = response.headers.get('Content-Type')?.includes(LINES);
	const isCut = response.ok && isStream && error.code === 'app_answer_unknown';
	throw isCut ? brokenOff('it has no result') : error;
}

function answerIn(line: Record<string, unknown>): Answer | null {
	const { success, backup, due, resume, retryAfter, step, databases } = line;
	if (!success) return null;
	if (backup) return { backup: backup as BackupSummary, due: due !== false };
	const counts = databases as RunCounts | undefined;
	if (resume === undefined && counts) return { databases: counts };
	const progress = counts ? { step: Number(step), databases: counts } : line['progress'];
	if (typeof resume !== 'string' || !TICKET.test(resume) || !progress) return null;
	const pause = typeof retryAfter === 'number' && { retryAfter };
	return { resume, ...pause, progress: progress as StepProgress | RunProgress };
}

/** The databases that a call for all of them is done with, also one that ends with an error. */
function endedIn(line: string): Ended[] {
	const { done } = parseObject(line);
	return Array.isArray(done) ? done : [];
}

function brokenOff(reason: string): LifeboatError {
	return new LifeboatError(`The answer broke off: ${reason}.`, {
		code: 'answer_broken_off',
		status: 503,
		hint: 'The list of backups shows whether this one was made.',
		retryable: true,
	});
}
