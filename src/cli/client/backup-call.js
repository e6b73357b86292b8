// One call of POST /api/backup, for as long as it takes. Needs Node 20 and nothing installed.
import { retryAfterOf } from './retry.js';
import { CallError } from './make-backup.js';
import { parseObject, warnOnce } from '../workflow/summary.js';

/**
 * @typedef {import('./make-backup.js').Answer} Answer
 * @typedef {import('./make-backup.js').Body} Body
 *
 * A line of progress, as docs/api.md has them; nothing in it is checked.
 * @typedef {{
 *   event?: unknown, table?: unknown, rows?: unknown, bytes?: unknown, attempt?: unknown
 * }} Line
 *
 * An answer with its lines that are not empty.
 * @typedef {{ response: Response, lines: string[] }} Read
 */

/** Milliseconds without a line, while connecting or later. The app sends one for every page. */
const SILENCE_MS = 2 * 60_000;

/** Of a page that is no answer of the app, such as a proxy's. */
const EXCERPT_LENGTH = 300;

/**
 * Errors of the app after which a ticket is still good, and which may pass. The status of a long
 * answer, 200, does not tell.
 */
const PASSING = [
	'backup_running',
	'database_unavailable',
	'internal_error',
	'lock_lost',
	'storage_error',
];

/** A ticket may consist of these, and nothing in it can be a command for a workflow. */
const TICKET = /^[\w.-]+$/;

/**
 * The calls that `makeBackup` needs. What the app warns of is shown.
 * @param {{
 *   origin: string,
 *   credentials: import('./credentials.js').Credentials,
 *   signal: AbortSignal,
 *   onLine?: (line: Line) => void,
 *   onTicket?: (ticket: string) => void
 * }} options `onLine` gets each line of progress as it comes.
 * @returns {(body: Body) => Promise<Answer>} Throws CallError, and the reason of the signal.
 */
export function backupCall({
	origin,
	credentials,
	signal,
	onLine = () => {},
	onTicket = () => {},
}) {
	return async (body) => {
		const headers = await credentials();
		const silence = new AbortController();
		const timer = setTimeout(() => silence.abort(new Error('no line for two minutes')), SILENCE_MS);
		try {
			const either = AbortSignal.any([signal, silence.signal]);
			const response = await send(origin, headers, body, either);
			warnOnce(response.headers.get('X-Backup-Warning'));
			/** @type {string[]} */
			const lines = [];
			await readLines(response, (line) => {
				timer.refresh();
				lines.push(line);
				onLine(parseObject(line));
			});
			const answer = answerOf({ response, lines });
			if ('resume' in answer) onTicket(answer.resume);
			return answer;
		} catch (error) {
			signal.throwIfAborted();
			throw error;
		} finally {
			clearTimeout(timer);
		}
	};
}

/**
 * @param {string} origin
 * @param {Record<string, string>} headers
 * @param {Body} body
 * @param {AbortSignal} signal
 */
async function send(origin, headers, body, signal) {
	try {
		return await fetch(new URL('/api/backup', origin), {
			method: 'POST',
			headers: {
				...headers,
				'Content-Type': 'application/json',
				// Lines of progress keep a long call alive.
				Accept: 'application/x-ndjson',
			},
			body: JSON.stringify(body),
			redirect: 'manual', // nobody else is to get the headers
			signal,
		});
	} catch (error) {
		throw new CallError(`The app cannot be reached: ${reasonOf(error)}.`, {
			code: 'app_unreachable',
			hint: 'Check BACKUP_URL.',
			retryable: true,
		});
	}
}

/**
 * @param {Response} response
 * @param {(line: string) => void} onLine Gets the lines that are not empty, as they come.
 */
async function readLines({ body }, onLine) {
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

/**
 * @param {Read} read
 * @returns {Answer}
 */
function answerOf({ response, lines }) {
	const last = parseObject(lines.at(-1));
	if (typeof last.error === 'string' && /^\w+$/.test(last.code)) throw told(response, last);
	const answer = response.ok && last.success && answerIn(last);
	if (answer) return answer;
	if (response.ok && response.headers.get('Content-Type')?.includes('application/x-ndjson')) {
		throw brokenOff('it has no result');
	}
	throw unknown({ response, lines });
}

/**
 * @param {{
 *   backup?: import('./make-backup.js').BackupSummary, due?: unknown, resume?: unknown,
 *   progress?: import('./make-backup.js').Progress
 * }} line
 * @returns {Answer | undefined}
 */
function answerIn({ backup, due, resume, progress }) {
	if (backup) return { backup, due: due !== false };
	if (typeof resume === 'string' && TICKET.test(resume) && progress) return { resume, progress };
	return undefined;
}

/**
 * What the app says itself.
 * @param {Response} response
 * @param {{ error: string, code: string, hint: string }} line
 */
function told(response, { error, code, hint }) {
	return new CallError(error, {
		code,
		hint: String(hint),
		status: response.status,
		retryable: PASSING.includes(code),
		retryAfter: retryAfterOf(response),
	});
}

/** @param {string} reason */
function brokenOff(reason) {
	return new CallError(`The answer broke off: ${reason}.`, {
		code: 'answer_broken_off',
		hint: 'The list of backups shows whether this one was made.',
		retryable: true,
	});
}

/** @param {Read} read */
function unknown({ response, lines }) {
	const { status } = response;
	return new CallError(`HTTP ${status} from the app, and no result of a backup.`, {
		code: 'app_answer_unknown',
		hint: `Check BACKUP_URL. ${excerpt(lines)}`,
		status,
		// Something in front of the app, or a limit of the platform: neither has to last.
		retryable: status >= 500 || status === 429,
		retryAfter: retryAfterOf(response),
	});
}

/**
 * What stands behind the "fetch failed" of a call.
 * @param {unknown} error
 * @returns {string}
 */
function reasonOf(error) {
	if (!(error instanceof Error)) return String(error);
	return error.cause ? reasonOf(error.cause) : error.message;
}

/**
 * The words of a page, without HTML.
 * @param {string[]} lines
 */
function excerpt(lines) {
	const words = lines.join(' ').replace(/<[^>]*>/g, ' ');
	return words.replace(/\s+/g, ' ').trim().slice(0, EXCERPT_LENGTH);
}
