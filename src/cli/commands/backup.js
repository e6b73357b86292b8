// Makes a backup of the app at BACKUP_URL; with BACKUP_WHEN=due only when the newest is old enough.
// `npm run backup`, and .github/workflows/backup.yml, where a backup that was made, or was not due,
// becomes the summary of the run. Anything else is an annotation and exit code 1. credentials.js has the
// settings that say who calls. Needs Node 20 and nothing installed.
import { TotpError } from '../../lib/totp.js';
import { backupCall } from '../client/backup-call.js';
import { credentials } from '../client/credentials.js';
import { ORIGIN } from '../client/origin.js';
import { CallError, makeBackup } from '../client/make-backup.js';
import { annotate, count, duration, size, summarize } from '../workflow/summary.js';

/** The job of the workflow has an hour, and has to tell how it went. */
const TIME_LIMIT_MS = 55 * 60_000;

/** Between two lines about how far the backup is. */
const TELL_MS = 10_000;

const { BACKUP_URL: url = '', BACKUP_WHEN: when = '' } = process.env;
const limit = new AbortController();
setTimeout(() => limit.abort(tooLong()), TIME_LIMIT_MS).unref();
/** @type {Set<string>} */
const masked = new Set();
let toldAt = 0;

try {
	if (!ORIGIN.test(url)) throw notAnOrigin();
	if (!['', 'due'].includes(when)) throw neverDue();
	const { signal } = limit;
	const call = backupCall({
		origin: url,
		credentials: credentials({ environment: process.env, signal, onSecret: mask }),
		signal,
		onLine: tellLine,
		onTicket: mask,
	});
	const options = { ifDue: when === 'due', report: tellStep };
	const { backup, due, steps } = await makeBackup(call, signal, options);
	if (due) annotate('notice', 'Backup made', backup.name);
	else annotate('notice', 'No backup is due', `the newest is from ${backup.startedAt}`);
	summarize('Backup', due ? summary(backup, steps) : undueSummary(backup));
} catch (error) {
	annotate('error', 'Backup failed', describe(error));
	process.exitCode = 1;
}

/** @param {import('../client/backup-call.js').Line} line */
function tellLine({ event, table, rows, bytes, attempt }) {
	if (event === 'rows') tellNowAndThen(letters(table), rows, bytes);
	if (event === 'restart') {
		console.log(`The database was written to: attempt ${count(Number(attempt))}.`);
	}
}

/** @param {import('../client/make-backup.js').StepEvent} event */
function tellStep(event) {
	if (event.event === 'step') {
		tellNowAndThen(`Step ${Number(event.step)} done`, event.rows, event.sqlBytes);
	} else if (event.event === 'wait') {
		console.log(`The app says to wait (${event.code}). Again in ${event.seconds} s.`);
	} else {
		console.log(`The step failed (${event.code}). Again in ${event.seconds} s.`);
	}
}

/**
 * @param {string} subject
 * @param {unknown} rows
 * @param {unknown} bytes
 */
function tellNowAndThen(subject, rows, bytes) {
	if (Date.now() - toldAt < TELL_MS) return;
	toldAt = Date.now();
	console.log(`${subject}: ${count(Number(rows))} rows, ${size(Number(bytes))} of SQL`);
}

/**
 * A name without what could make it a command for the workflow.
 * @param {unknown} name
 */
function letters(name) {
	return String(name)
		.replace(/[^\p{L}\p{N}_]+/gu, ' ')
		.trim();
}

/**
 * Keeps a code, a token, a key or a ticket out of the log of a workflow, whoever prints it.
 * @param {string} secret
 */
function mask(secret) {
	if (!process.env['GITHUB_ACTIONS'] || masked.has(secret)) return;
	masked.add(secret);
	console.log(`::add-mask::${secret}`);
}

/**
 * @param {import('../client/make-backup.js').BackupSummary} backup
 * @param {number} steps
 * @returns {string[][]}
 */
function summary(backup, steps) {
	return [
		['Name', `\`${backup.name}\``],
		['Size', size(backup.bytes)],
		['Rows', count(backup.rows)],
		['Tables', count(backup.tables)],
		['Time taken', duration(backup.startedAt, backup.finishedAt)],
		...(steps > 1 ? [['Steps', count(steps)]] : []),
		['Consistency', backup.consistency],
		['Warnings', count(backup.warnings)],
	];
}

/**
 * @param {import('../client/make-backup.js').BackupSummary} newest
 * @returns {string[][]}
 */
function undueSummary(newest) {
	return [
		['Made', 'no: none is due'],
		['Newest', `\`${newest.name}\``],
		['From', newest.startedAt],
	];
}

/** @param {unknown} error */
function describe(error) {
	if (error instanceof CallError) return `${error.message} (${error.code}) ${error.hint}`;
	if (error instanceof TotpError) return `TOTP_SECRET makes no code: ${error.message}`;
	return String(error);
}

function notAnOrigin() {
	return new CallError('BACKUP_URL is no https origin.', {
		code: 'app_url_invalid',
		hint: 'It has to look like https://app.example.com; http is for localhost only.',
	});
}

function neverDue() {
	return new CallError('BACKUP_WHEN is not understood.', {
		code: 'backup_when_invalid',
		hint: 'Set it to due, or leave it out, which makes a backup always.',
	});
}

function tooLong() {
	return new CallError('The backup was not complete after 55 minutes.', {
		code: 'backup_too_slow',
		hint: 'Begin a new one when fewer people write to the database; docs/deploy.md has the limits.',
	});
}
