import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { drillFile, drillFiles, type DrillProgress } from '../../lib/server/backup/prove/drill.ts';
import type { LastProof } from '../../lib/server/backup/format/manifest.ts';
import { shorten } from '../../lib/server/backup/format/proof.ts';
import type { Finding } from '../../lib/server/backup/prove/verify.ts';
import { apiOf, type BackupApi, FROM_HELP } from '../client/api.ts';
import { type Backup, isBackupName } from '../sources/backup.ts';
import { fetchBackup } from '../sources/app.ts';
import { openBackup } from '../sources/files.ts';
import { requireFitForD1 } from '../sources/fit.ts';
import { orphansIn } from '../sources/rehearse.ts';
import { type Context, printError, runCommand, temporaryFolder } from '../terminal/command.ts';
import { DetailedError, EXIT, asLifeboatError, exitCode } from '../terminal/errors.ts';
import { parseArguments, usageError } from '../terminal/arguments.ts';
import { EmbeddedDatabase } from '../embedded/database.ts';
import { KEY_HELP, KEY_OPTIONS, type KeyOptions } from '../secrets/keys.ts';
import { print, printJson } from '../terminal/print.ts';
import { Stopwatch } from '../terminal/stopwatch.ts';
import { count, formatTable, megabytes, seconds } from '../terminal/text.ts';
import { listedWarnings, warningLines, withWarnings } from '../terminal/warnings.ts';

const HELP = `Usage: npm run drill -- <backup> [options]
       npm run drill -- --file FILE [--json]

Proves that a backup restores: verifies its files, restores them into a new database on this machine,
which runs D1's own engine, and compares schema and contents with what the backup says. The database is
removed afterwards; the app's own is not touched.

<backup>
  latest             the newest backup of the app
  NAME               another one, by its name in the list: full_backup_2026-11-23T05:05:54.982Z

Options
${FROM_HELP}
  --file FILE        a file on this machine: an SQL file of any program that SQLite can run, an SQLite
                     database, also compressed or encrypted, or the manifest of a backup in several
                     volumes. A file of Lifeboat needs the manifest beside it or at the app, or
                     --unsigned
${KEY_HELP}
  --all              with latest: drill the newest backup of each database of the app, one after the other
  --record           store the result with the backup, so that the list shows it
  --unless-drilled   with latest: do nothing if the list shows that a drill has proven it already
  --json             print one JSON object on standard output, and nothing else there
  --help             show this

Examples
  npm run drill -- latest
  npm run drill -- latest --from https://app.example.com --record
  npm run drill -- latest --all --record --unless-drilled
  npm run drill -- --file backup.sql
  npm run drill -- latest --identity ~/.config/lifeboat/app.agekey

Exit codes: 0 proven; 1 the backup differs from what it says; 2 the drill did not run.
`;

const OPTIONS = {
	from: { type: 'string' },
	file: { type: 'string' },
	...KEY_OPTIONS,
	all: { type: 'boolean', default: false },
	record: { type: 'boolean', default: false },
	'unless-drilled': { type: 'boolean', default: false },
	json: { type: 'boolean', default: false },
	help: { type: 'boolean', short: 'h' },
} as const;

type Step = DrillProgress['step'];

const STEPS: Record<Step, string> = {
	verify: 'stored bytes, statements and rows',
	restore: 'into a new D1 database',
	compare: "schema and contents, SQLite's own checks",
};

/** What `--json` prints. */
interface Result extends Finding {
	backup: string;
	startedAt: string;
	finishedAt: string;
}

/** What it prints with `--unless-drilled` if there is nothing to do. */
interface Proven {
	backup: string;
	drilled: LastProof;
	warnings: string[];
}

interface Request {
	/** The backup's name, or the path of its file if `api` is null. */
	word: string;
	api: BackupApi | null;
	/** Whether to drill the newest backup of each database. */
	all: boolean;
	/** The app that has the manifest of the file, if it is not BACKUP_URL. */
	from: string | undefined;
	keys: KeyOptions;
	record: boolean;
	unlessDrilled: boolean;
	json: boolean;
}

/** Reads the command line; null for --help. Throws `usage` (400), and what {@link apiOf} throws. */
function readRequest({ signal }: Context): Request | null {
	const { values, positionals } = parseArguments('drill', OPTIONS);
	if (values.help) return null;
	const { file, from, identity, unsigned, database, record, json } = values;
	const { 'unless-drilled': unlessDrilled, all } = values;
	const keys = { identity, unsigned, database };
	const [word, ...more] = positionals;
	if (more.length > 0) {
		throw usageError('drill', `One backup at a time, not also ${more.join(' ')}.`);
	}
	if (file !== undefined) {
		if (word !== undefined) throw usageError('drill', `Either --file or ${word}.`);
		if (record) throw usageError('drill', '--record is for backups of the app, not for files.');
		if (unlessDrilled) throw usageError('drill', '--unless-drilled is for latest, not for files.');
		if (all) throw usageError('drill', '--all is for latest, not for files.');
		return { word: file, api: null, all, from, keys, record, unlessDrilled, json };
	}
	if (word === undefined) throw usageError('drill', 'Say which backup: latest or a name.');
	if (!isBackupName(word)) throw usageError('drill', `${word} is not the name of a backup.`);
	if (unlessDrilled && word !== 'latest') {
		throw usageError('drill', '--unless-drilled is for latest only.');
	}
	if (all && (word !== 'latest' || database !== undefined || json)) {
		throw usageError('drill', '--all is for latest, without --database and --json.');
	}
	const api = apiOf(from, signal, database);
	return { word, api, all, from, keys, record, unlessDrilled, json };
}

async function drill(backup: Backup, watch: Stopwatch<Step>, context: Context): Promise<Result> {
	const startedAt = new Date().toISOString();
	const persistTo = temporaryFolder();
	await using database = new EmbeddedDatabase({ kind: 'new', persistTo });
	const onProgress = ({ step, bytes, totalBytes }: DrillProgress) =>
		watch.show(step, bytes, totalBytes);
	const options = { sleep, onProgress };
	const found = backup.files
		? await drillFiles(database, backup.files, options)
		: await drillFile(database, backup.sql, options);
	watch.stop();
	const { name } = backup;
	if (found.differences.some((difference) => /foreign.key/i.test(difference))) {
		found.differences.push(...(await orphansIn(backup, context)));
	}
	const finishedAt = new Date().toISOString();
	return { backup: name, startedAt, finishedAt, ...found, differences: shorten(found.differences) };
}

/** The newest backup of the app if a drill has proven it, else null. */
async function newestIfProven(api: BackupApi): Promise<Proven | null> {
	const [newest] = await api.list();
	if (!newest?.drilled?.proven) return null;
	return { backup: newest.name, drilled: newest.drilled, warnings: listedWarnings(newest) };
}

/** Rejects when the command is interrupted. A drill can stop anywhere: it leaves nothing to clean up. */
function stopped({ signal }: Context): Promise<never> {
	return once(signal, 'abort').then(() => {
		throw signal.reason;
	});
}

async function recordProof(api: BackupApi, result: Result, { progress }: Context): Promise<void> {
	const { backup, ...found } = result;
	progress.step('record: the result');
	const by = process.env['GITHUB_ACTIONS'] ? 'GitHub Actions' : 'npm run drill';
	try {
		await api.record(backup, { kind: 'drill', by, ...found });
	} catch (error) {
		const verdict = found.proven
			? [`${backup} does restore: only the record of it failed.`]
			: found.differences;
		throw new DetailedError(asLifeboatError(error), verdict);
	}
}

function report(result: Result, { times }: Stopwatch<Step>, warnings: string[] = []): string[] {
	const { backup, proven, tables, rows, bytes, differences } = result;
	const steps = times.map(({ step, milliseconds }) => [step, STEPS[step], seconds(milliseconds)]);
	const what = `${count(tables)} tables, ${count(rows)} rows, ${megabytes(bytes)} of SQL`;
	const verdict = proven
		? [`Proven${withWarnings(warnings)}: ${backup} restores. ${what}: same.`]
		: [`${backup} differs from what it says (${what}):`, ...differences];
	const table = formatTable(['step', 'what', 'time'], steps);
	return ['', ...table, '', ...verdict, ...warningLines(warnings)];
}

/** Drills one backup, and prints and records the result. Returns the exit code. */
async function drillOne(request: Request, context: Context): Promise<number> {
	const { word, api, from, keys, record, unlessDrilled, json } = request;
	const done = api && unlessDrilled ? await newestIfProven(api) : null;
	if (done) {
		const { drilled, warnings } = done;
		const sentence = `Nothing to do: a drill proved ${done.backup} on ${drilled.at}${withWarnings(warnings)}.`;
		if (json) printJson(done);
		else print([sentence, ...warningLines(warnings)]);
		return EXIT.good;
	}
	const backup = api
		? await fetchBackup(api, word, keys, context)
		: await openBackup(word, keys, context, from);
	if (backup.foreign) requireFitForD1(backup.foreign);
	const watch = new Stopwatch(context.progress, STEPS);
	const result = await Promise.race([drill(backup, watch, context), stopped(context)]);
	if (api && record) await recordProof(api, result, context);
	const warnings = backup.files?.manifest.warnings;
	if (json) printJson({ ...result, warnings });
	else print(report(result, watch, warnings));
	return result.proven ? EXIT.good : EXIT.differs;
}

/**
 * Drills the newest backup of each database. One that fails does not stop the others. Returns the exit
 * code of the worst.
 */
async function drillAll(request: Request, context: Context): Promise<number> {
	const { api, from, keys } = request;
	const names = (await api?.page())?.databases ?? [];
	if (names.length < 2) return drillOne(request, context);
	const codes: number[] = [];
	for (const database of names) {
		print(['', `Database ${database}`]);
		const one = { ...keys, database };
		try {
			const of = apiOf(from, context.signal, database);
			codes.push(await drillOne({ ...request, api: of, keys: one }, context));
		} catch (error) {
			context.signal.throwIfAborted();
			context.progress.clear();
			codes.push(exitCode(printError(error)));
		}
	}
	return Math.max(...codes, EXIT.good);
}

await runCommand(async (context) => {
	const request = readRequest(context);
	if (request === null) {
		print(HELP.split('\n'));
		return EXIT.good;
	}
	return request.all ? drillAll(request, context) : drillOne(request, context);
});
