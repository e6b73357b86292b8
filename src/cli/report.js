// Tells how a call of POST /api/backup ended. Reads the answer and, as the last line, curl's report
// on the transfer (--write-out '\n%{json}') from standard input. A backup that was made becomes the
// summary of the workflow's run; anything else is an annotation and exit code 1.
// For .github/workflows/backup.yml: needs Node 20 and nothing installed.
import { text } from 'node:stream/consumers';
import { annotate, count, duration, parseObject, size, summarize } from './workflow.js';

/**
 * Variables of curl's --write-out.
 * @typedef {{ exitcode?: number, errormsg?: string, http_code?: number, content_type?: string }} Transfer
 */

/**
 * The backup of a good answer.
 * @typedef {{
 *   name: string, startedAt: string, finishedAt: string, consistency: string,
 *   bytes: number, rows: number, tables: number, warnings: number
 * }} Backup
 */

/**
 * The last line of the answer, or the only one.
 * @typedef {{
 *   success?: boolean, backup?: Backup, error?: string, code?: string, hint?: string
 * }} Result
 */

/** Of a page that is no answer of the app, such as a proxy's. */
const EXCERPT_LENGTH = 300;

const lines = (await text(process.stdin)).split('\n').filter((line) => line.trim() !== '');
/** @type {Transfer} */
const transfer = parseObject(lines.pop());
/** @type {Result} */
const result = parseObject(lines.at(-1));

if (transfer.exitcode === 0 && result.success && result.backup) {
	annotate('notice', 'Backup made', result.backup.name);
	summarize('Backup', summary(result.backup));
} else {
	annotate('error', 'Backup failed', problem());
	process.exitCode = 1;
}

function problem() {
	const { http_code: status, errormsg, content_type: type } = transfer;
	if (result.error) return `${result.error} (${result.code}) ${result.hint}`;
	if (!status) return `The app cannot be reached: ${errormsg}. Check BACKUP_URL.`;
	if (status === 200 && type?.includes('application/x-ndjson')) {
		const reason = errormsg ?? 'it has no result';
		return `The answer broke off: ${reason}. The list of backups shows whether this one was made.`;
	}
	return `HTTP ${status} from the app, and no result of a backup. Check BACKUP_URL. ${excerpt()}`;
}

/**
 * @param {Backup} backup
 * @returns {string[][]}
 */
function summary(backup) {
	return [
		['Name', `\`${backup.name}\``],
		['Size', size(backup.bytes)],
		['Rows', count(backup.rows)],
		['Tables', count(backup.tables)],
		['Time taken', duration(backup.startedAt, backup.finishedAt)],
		['Consistency', backup.consistency],
		['Warnings', count(backup.warnings)],
	];
}

/** The answer's words, without HTML. */
function excerpt() {
	const words = lines.join(' ').replace(/<[^>]*>/g, ' ');
	return words.replace(/\s+/g, ' ').trim().slice(0, EXCERPT_LENGTH);
}
