// Tells how a call of POST /api/backup ended. Reads the answer and, as the last line, curl's report
// on the transfer (--write-out '\n%{json}') from standard input. A backup that was made becomes the
// summary of the workflow's run; anything else is an annotation and exit code 1.
// For .github/workflows/backup.yml: needs Node 20 and nothing installed.
import { appendFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';

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
const UNITS = ['bytes', 'kB', 'MB', 'GB', 'TB'];

const lines = (await text(process.stdin)).split('\n').filter((line) => line.trim() !== '');
/** @type {Transfer} */
const transfer = parse(lines.pop());
/** @type {Result} */
const result = parse(lines.at(-1));

if (transfer.exitcode === 0 && result.success && result.backup) {
	tell('notice', 'Backup made', result.backup.name);
	summarize(result.backup);
} else {
	tell('error', 'Backup failed', problem());
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

/** @param {Backup} backup */
function summarize(backup) {
	const seconds = (Date.parse(backup.finishedAt) - Date.parse(backup.startedAt)) / 1000;
	const rows = [
		['Name', `\`${backup.name}\``],
		['Size', `${humanSize(backup.bytes)} (${count(backup.bytes)} bytes)`],
		['Rows', count(backup.rows)],
		['Tables', count(backup.tables)],
		['Time taken', `${seconds.toFixed(1)} s`],
		['Consistency', backup.consistency],
		['Warnings', count(backup.warnings)],
	];
	const table = [['Backup', ''], ['---', '---'], ...rows].map(
		(cells) => `| ${cells.join(' | ')} |`,
	);
	const file = process.env['GITHUB_STEP_SUMMARY'];
	if (file) appendFileSync(file, `${table.join('\n')}\n`);
}

/**
 * Prints a workflow command. The message cannot end it and begin another: the escapes are those of
 * https://github.com/actions/toolkit/blob/main/packages/core/src/command.ts
 * @param {'notice' | 'error'} kind
 * @param {string} title
 * @param {string} message
 */
function tell(kind, title, message) {
	const data = message.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
	console.log(`::${kind} title=${title}::${data}`);
}

/** The answer's words, without HTML. */
function excerpt() {
	const words = lines.join(' ').replace(/<[^>]*>/g, ' ');
	return words.replace(/\s+/g, ' ').trim().slice(0, EXCERPT_LENGTH);
}

/** @param {number} bytes */
function humanSize(bytes) {
	const power = Math.min(Math.floor(Math.log10(Math.max(bytes, 1)) / 3), UNITS.length - 1);
	return `${(bytes / 1000 ** power).toFixed(power === 0 ? 0 : 1)} ${UNITS[power]}`;
}

/** @param {number} number */
function count(number) {
	return number.toLocaleString('en');
}

/**
 * The object in a line of JSON; an empty one for any other line.
 * @param {string | undefined} line
 */
function parse(line) {
	try {
		return Object(JSON.parse(line ?? ''));
	} catch {
		return {};
	}
}
