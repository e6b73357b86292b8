// Makes a backup of the app at BACKUP_URL, or of all its databases; with BACKUP_WHEN=due only when the
// newest one is old enough. In .github/workflows/backup.yml the result becomes the summary of the run, and
// a failure or a warning an annotation; the exit code is 1 after a failure. That workflow installs nothing:
// nothing here may import a package.
import type { BackupSummary } from '../../lib/server/backup/format/manifest.ts';
import { LifeboatError } from '../../lib/server/errors.ts';
import { TotpError } from '../../lib/totp.js';
import { backupCall } from '../client/backup-call.ts';
import { connect } from '../client/call.ts';
import { callerSettings } from '../client/credentials.ts';
import { type Made, makeBackup, type StepEvent } from '../client/make-backup.ts';
import type { Ended } from '../../lib/server/run/call.ts';
import { readSetting } from '../secrets/dotenv.ts';
import { parseArguments, usageError } from '../terminal/arguments.ts';
import { annotate, maskInLog } from '../terminal/annotate.ts';
import { print } from '../terminal/print.ts';
import { count, duration, formatTable, seconds, size } from '../terminal/text.ts';
import { annotateWarnings, listedWarnings } from '../terminal/warnings.ts';
import { summarize } from '../workflow/summary.ts';

/** GitHub kills a job after six hours, and it must have reported before. */
const TIME_LIMIT_MS = 350 * 60_000;

/** Between two lines about progress. */
const REPORT_MS = 10_000;

const HELP = `Usage: npm run backup [-- options]

Makes a backup of the app at BACKUP_URL, in as many steps as it takes.

Options
  --database NAME    of this database of the app; otherwise of its first one
  --all              of all its databases, one after the other; one that fails does not stop the others
  --full             a full backup, where the app would store only what changed since the last one
  --due              only when the newest backup is old enough, as BACKUP_WHEN=due does
  --help             show this

Examples
  npm run backup
  npm run backup -- --all --due

Exit codes: 0 made, or none is due; 1 a backup failed.
`;

const OPTIONS = {
	database: { type: 'string' },
	all: { type: 'boolean', default: false },
	full: { type: 'boolean', default: false },
	due: { type: 'boolean', default: false },
	help: { type: 'boolean', short: 'h' },
} as const;

/** What a run over all databases is done with, by their names. */
const ended = new Map<string, Ended>();

let reportedAt = 0;

try {
	await main();
} catch (error) {
	annotate('error', 'Backup failed', describe(error));
	process.exitCode = 1;
}

async function main(): Promise<void> {
	const { values, positionals } = parseArguments('backup', OPTIONS);
	if (values.help) return print(HELP.split('\n'));
	const { database, all, full, due } = values;
	if (positionals.length > 0) throw usageError('backup', 'This command takes only options.');
	if (all && database !== undefined) {
		throw usageError('backup', 'Either --all or --database, not both.');
	}
	const limit = new AbortController();
	setTimeout(() => limit.abort(tooLong()), TIME_LIMIT_MS).unref();
	const { signal } = limit;
	const options = { ifDue: isOnlyIfDue() || due, full, report: reportStep };
	const connection = connect(readSetting('BACKUP_URL'), callerSettings(), signal, maskInLog);
	const call = backupCall(
		{ ...connection, database: all ? '*' : database },
		{ onLine: reportLine, onTicket: maskInLog, onEnded: (one) => ended.set(one.database, one) },
	);
	try {
		reportMade(await makeBackup(call, signal, options));
	} catch (error) {
		if (ended.size > 0) reportAll();
		throw error;
	}
}

function reportMade(made: Made): void {
	if (!('backup' in made)) return reportAll();
	const { backup, due, steps } = made;
	if (!due) {
		annotate('notice', 'No backup is due', `the newest is from ${backup.startedAt}`);
		return summarize('Backup', undueSummary(backup));
	}
	annotate('notice', 'Backup made', backup.name);
	if (backup.consistency === 'staged') print([`Consistency: ${consistencyOf(backup)}`]);
	annotateWarnings(listedWarnings(backup));
	summarize('Backup', summary(backup, steps));
}

/** The databases of a run in a table, with the warnings of each backup that was made. */
function reportAll(): void {
	const rows = [...ended.values()].map(cells);
	print(formatTable(['database', 'result', 'rows', 'bytes of SQL', 'seconds'], rows));
	for (const one of ended.values()) {
		if (!('backup' in one) || 'due' in one) continue;
		annotateWarnings(listedWarnings(one.backup).map((text) => `${one.database}: ${text}`));
	}
	summarize(
		'Database',
		rows.map(([database, ...others]) => [String(database), others.map(String).join(', ')]),
	);
}

function cells(one: Ended): (string | number)[] {
	if ('code' in one) return [one.database, `failed (${one.code})`, '', '', ''];
	const { name, rows, sqlBytes, startedAt, finishedAt } = one.backup;
	if ('due' in one) return [one.database, 'none is due', '', '', ''];
	const time = Math.round((Date.parse(finishedAt) - Date.parse(startedAt)) / 100) / 10;
	return [one.database, name, rows, sqlBytes, time];
}

/** Throws `backup_when_invalid` (400). */
function isOnlyIfDue(): boolean {
	const when = readSetting('BACKUP_WHEN');
	if (when === '' || when === 'due') return when === 'due';
	throw new LifeboatError('BACKUP_WHEN is not valid.', {
		code: 'backup_when_invalid',
		status: 400,
		hint: 'Set it to due, or leave it out to make a backup every time.',
	});
}

function reportLine(line: Record<string, unknown>): void {
	const { event, database, table, rows, bytes, attempt } = line;
	const within = database === undefined ? '' : `${String(database)}: `;
	if (event === 'rows') reportNowAndThen(within + String(table), rows, bytes);
	if (event === 'restart') {
		print([`${within}The database was written to: attempt ${count(Number(attempt))}.`]);
	}
}

function reportStep(event: StepEvent): void {
	if (event.event === 'step' && 'databases' in event) {
		const { done, failed, total } = event.databases;
		print([`Step ${Number(event.step)} done: ${done + failed} of ${total} databases`]);
		return;
	}
	if (event.event === 'step') {
		reportNowAndThen(`Step ${Number(event.step)} done`, event.rows, event.sqlBytes);
		return;
	}
	if (event.event === 'pause') {
		print([`The app asks for a pause of ${event.seconds} s before the next step.`]);
		return;
	}
	const what = event.event === 'wait' ? 'The app refused the call for now' : 'The step failed';
	print([`${what} (${event.code}). Retrying in ${event.seconds} s.`]);
}

function reportNowAndThen(subject: string, rows: unknown, bytes: unknown): void {
	if (Date.now() - reportedAt < REPORT_MS) return;
	reportedAt = Date.now();
	print([`${subject}: ${count(Number(rows))} rows, ${size(Number(bytes))} of SQL`]);
}

function summary(backup: BackupSummary, steps: number): string[][] {
	const taken = steps > 1 ? [['Steps', count(steps)]] : [];
	return [
		['Name', backup.name],
		['Kind', kindOf(backup)],
		['Size', size(backup.bytes)],
		['Rows', count(backup.rows)],
		['Tables', count(backup.tables)],
		['Time taken', duration(backup.startedAt, backup.finishedAt)],
		...taken,
		['Consistency', consistencyOf(backup)],
		['Warnings', count(backup.warnings)],
		...warningRows(backup),
	];
}

/** What a backup rests on. */
function kindOf({ parent }: BackupSummary): string {
	return parent ? `differential: what changed since ${parent}` : 'full';
}

/** How consistent a backup is, and how long other queries waited for that. */
function consistencyOf({ consistency, waitedMs }: BackupSummary): string {
	if (waitedMs === undefined) return consistency;
	return `${consistency}: the database was in use, and its other queries waited for ${seconds(Number(waitedMs))}`;
}

function undueSummary(newest: BackupSummary): string[][] {
	return [
		['Made', 'no: none is due'],
		['Newest', newest.name],
		['From', newest.startedAt],
		...warningRows(newest),
	];
}

function warningRows(backup: BackupSummary): string[][] {
	return listedWarnings(backup).map((warning) => ['Warning', warning]);
}

function describe(error: unknown): string {
	if (error instanceof LifeboatError) return `${error.message} (${error.code}) ${error.hint}`;
	if (error instanceof TotpError) return `TOTP_SECRET makes no code: ${error.message}`;
	return String(error);
}

function tooLong(): LifeboatError {
	return new LifeboatError('The backup was not complete after 5 hours and 50 minutes.', {
		code: 'backup_too_slow',
		status: 503,
		hint: 'Start a new one when fewer people write to the database; docs/limits.md has the limits.',
	});
}
