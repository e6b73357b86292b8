import type { Survey } from '../../lib/server/backup/restore/survey.ts';
import { LifeboatError } from '../../lib/server/errors.ts';
import { apiOf, FROM_HELP } from '../client/api.ts';
import { KEY_HELP, KEY_OPTIONS, type KeyOptions } from '../secrets/keys.ts';
import { fetchBackup } from '../sources/app.ts';
import { type Backup, isBackupName } from '../sources/backup.ts';
import { openBackup } from '../sources/files.ts';
import { lostInD1, requireFitForD1 } from '../sources/fit.ts';
import { orphansIn } from '../sources/rehearse.ts';
import { verifyBackup } from '../sources/verify.ts';
import { openTarget } from '../targets/open.ts';
import { knownTables, reportTo } from '../targets/plan.ts';
import { type Change, formatPreview, previewOf } from '../targets/preview.ts';
import { confirm, requireEmpty } from '../targets/replace.ts';
import type { Kept, Plan, Target } from '../targets/target.ts';
import { parseArguments, usageError } from '../terminal/arguments.ts';
import { type Context, printError, runCommand } from '../terminal/command.ts';
import { asLifeboatError, DetailedError, EXIT } from '../terminal/errors.ts';
import { print, printJson } from '../terminal/print.ts';
import { count, duration, formatTable, megabytes } from '../terminal/text.ts';

const HELP = `Usage: npm run restore -- <backup> --to <target> [options]

Restores a backup. The backup is verified first: a damaged one is not restored, and the target stays
as it is. A target that is not empty is replaced only with --replace, and only after its contents have
been saved. The result is compared with what the backup says.

<backup>
  latest             the newest backup of the app
  NAME               another one, by its name in the list: full_backup_2026-11-23T05:05:54.982Z
  FILE               an SQL file of any program that SQLite can run, or an SQLite database, also
                     compressed with gzip or zstd, or encrypted with age; for a backup in several
                     volumes, its manifest. A file of Lifeboat needs the manifest beside it or at
                     the app, or --unsigned

--to <target>
  local              the app's embedded database, in .wrangler/state; local:FOLDER for another folder
  FILE.db            an SQLite file; the endings .sqlite and .sqlite3 work too
  remote:NAME        the D1 database NAME on Cloudflare; needs \`npx wrangler login\`

Options
${FROM_HELP}
${KEY_HELP}
  --binding NAME     with --to local: which D1 binding of wrangler's configuration, if it has several
  --tables A,B       restore only the rows of these tables; everything else in the target stays
  --replace          replace everything in the target
  --dry-run          read and check the backup and the target, and say what would be replaced, table by
                     table; nothing is changed, and nothing is asked
  --yes NAME         confirm a replacement in scripts: local, the file's name, or the name of the
                     remote database
  --json             print one JSON object on standard output, and nothing else there
  --help             show this

Examples
  npm run restore -- latest --to local --replace
  npm run restore -- latest --to local --tables users,sessions
  npm run restore -- latest --database analytics --to local --binding STATS_DB
  npm run restore -- backup.sql --to restored.db
  npm run restore -- app.sqlite --to remote:NAME --dry-run

Exit codes: 0 restored, with --dry-run: it would be; 1 the backup is damaged, the result differs from it,
or the database refused it; 2 the restore did not run, with --dry-run: it would not succeed.
`;

const OPTIONS = {
	to: { type: 'string' },
	binding: { type: 'string' },
	from: { type: 'string' },
	...KEY_OPTIONS,
	tables: { type: 'string' },
	replace: { type: 'boolean', default: false },
	'dry-run': { type: 'boolean', default: false },
	yes: { type: 'string' },
	json: { type: 'boolean', default: false },
	help: { type: 'boolean', short: 'h' },
} as const;

interface Request {
	backup: string;
	to: string;
	/** The binding of the embedded database, where wrangler's configuration has several. */
	binding: string | undefined;
	from: string | undefined;
	keys: KeyOptions;
	tables: string[] | null;
	replace: boolean;
	dryRun: boolean;
	/** The answer given in advance; undefined to ask. */
	yes: string | undefined;
	json: boolean;
}

/** What `--json` prints. */
interface Result {
	backup: string;
	target: string;
	tables: { name: string; rows: number }[];
	/** Bytes of SQL. */
	bytes: number;
	startedAt: string;
	finishedAt: string;
	kept: Kept | null;
	/** What was not restored, as sentences. */
	warnings: string[];
}

/** Reads the command line; null for --help. Throws `usage` (400). */
function readRequest(): Request | null {
	const { values, positionals } = parseArguments('restore', OPTIONS);
	if (values.help) return null;
	const [backup, ...more] = positionals;
	if (backup === undefined) {
		throw usageError('restore', 'Say which backup: latest, a name or a file.');
	}
	if (more.length > 0) {
		throw usageError('restore', `One backup at a time, not also ${more.join(' ')}.`);
	}
	if (values.to === undefined) throw usageError('restore', 'Say where to restore it, with --to.');
	const { to, from, binding, replace, 'dry-run': dryRun, yes, json } = values;
	const { identity, unsigned, database } = values;
	const tables = values.tables?.split(',').filter((name) => name !== '') ?? null;
	if (tables?.length === 0) throw usageError('restore', '--tables needs names of tables.');
	const keys = { identity, unsigned, database };
	return { backup, to, binding, from, keys, tables, replace, dryRun, yes, json };
}

async function restore(request: Request, context: Context): Promise<Result> {
	const startedAt = new Date();
	// In parallel: the one waits for a database to start, the other reads the backup.
	const [{ target, contents }, { backup, survey }] = await Promise.all([
		findTarget(request, context),
		findBackup(request, context),
	]);
	const tables = request.tables && knownTables(request.tables, survey);
	const warnings = requireFit(target, backup, tables);
	if (contents.length > 0) await confirm(target, contents, request, context);
	const kept = contents.length > 0 ? await target.keep() : null;
	const onProgress = reportTo(target, survey, context.progress);
	const header = backup.foreign?.header ?? null;
	const plan = { sql: backup.sql, survey, tables, kept, header, onProgress };
	await restoreInto(target, plan, backup, context);
	const names = tables ?? survey.tables.map(({ name }) => name);
	const rows = await target.count(names);
	return {
		backup: backup.name,
		target: target.title,
		tables: names.map((name, index) => ({ name, rows: rows[index] ?? 0 })),
		bytes: survey.bytes,
		startedAt: startedAt.toISOString(),
		finishedAt: new Date().toISOString(),
		...{ kept, warnings },
	};
}

/** What `--json` prints with `--dry-run`. */
interface Preview {
	dryRun: true;
	backup: string;
	target: string;
	tables: Change[];
	warnings: string[];
}

/** What a restore would do. Throws why it would be refused. */
async function dryRun(request: Request, context: Context): Promise<Preview> {
	const { tables: wanted, replace } = request;
	const [target, { backup, survey }] = await Promise.all([
		openTarget(request.to, context, request.binding),
		findBackup(request, context),
	]);
	const tables = wanted && knownTables(wanted, survey);
	const there = await target.look();
	const warnings = requireFit(target, backup, tables);
	if (!replace && tables === null) requireEmpty(target, there.names);
	const changes = previewOf(survey.tables, there.tables, tables);
	return { dryRun: true, backup: backup.name, target: target.title, tables: changes, warnings };
}

/** Returns what a D1 target has no place for. Throws what {@link requireFitForD1} throws. */
function requireFit({ kind }: Target, { foreign }: Backup, tables: string[] | null): string[] {
	if (kind !== 'd1' || foreign === null) return [];
	requireFitForD1(foreign, tables);
	return tables === null ? lostInD1(foreign) : [];
}

async function findBackup(
	{ backup: word, from, keys }: Request,
	context: Context,
): Promise<{ backup: Backup; survey: Survey }> {
	const backup = isBackupName(word)
		? await fetchBackup(apiOf(from, context.signal, keys.database), word, keys, context)
		: await openBackup(word, keys, context, from);
	return { backup, survey: await verifyBackup(backup, context) };
}

/** The target and what is in it. Throws `target_not_empty` (409) if that may not be replaced. */
async function findTarget(
	{ to, binding, replace, tables }: Request,
	context: Context,
): Promise<{ target: Target; contents: string[] }> {
	const target = await openTarget(to, context, binding);
	const contents = await target.contents();
	if (!replace && tables === null) requireEmpty(target, contents);
	return { target, contents };
}

/** Restores into the target. An error says in which state the target is. */
async function restoreInto(
	target: Target,
	plan: Plan,
	backup: Backup,
	context: Context,
): Promise<void> {
	plan.onProgress(0, 'restore');
	try {
		context.signal.throwIfAborted();
		await target.restore(plan);
	} catch (error) {
		const orphans = mayBeOrphans(error, plan) ? await orphansIn(backup, context) : [];
		throw await failure(target, plan, error, orphans);
	}
	context.progress.clear();
}

/** Whether D1 has refused the whole backup because of a foreign key, and did not say of which row. */
function mayBeOrphans(error: unknown, { tables }: Plan): boolean {
	if (!(error instanceof LifeboatError) || error instanceof DetailedError) return false;
	const { code, message } = error;
	return tables === null && code === 'restore_refused' && /foreign key/i.test(message);
}

/** The error of a failed restore, with the rows that caused it and the state of the target. */
async function failure(
	target: Target,
	plan: Plan,
	error: unknown,
	orphans: string[],
): Promise<DetailedError> {
	const state = await target.recover(plan, error).catch(() => {
		const { kept } = plan;
		return kept ? `To get back what was there: ${kept.undo}` : 'Look at what is in it.';
	});
	const known = error instanceof DetailedError ? error.details : orphans;
	return new DetailedError(asLifeboatError(error), [...known, `${target.title}: ${state}`]);
}

function report(result: Result): string[] {
	const { backup, target, tables, bytes, startedAt, finishedAt, kept, warnings } = result;
	const rows = tables.map(({ name, rows: number }) => [name, number]);
	const total = tables.reduce((sum, table) => sum + table.rows, 0);
	const what = `${tables.length} tables, ${count(total)} rows, ${megabytes(bytes)} of SQL`;
	const lines = [
		'',
		...formatTable(['table', 'rows'], rows),
		'',
		`Restored ${backup} into ${target}: ${what} in ${duration(startedAt, finishedAt)}.`,
		...warnings,
	];
	if (kept) {
		lines.push(`What was there before is in ${kept.file}. To get it back:`);
		lines.push('', `  ${kept.undo}`, '');
	}
	return lines;
}

function reportPreview({ backup, target, tables, warnings }: Preview): string[] {
	const verdict = `${backup} would be restored into ${target}. Nothing was changed.`;
	return ['', ...formatPreview(tables), '', verdict, ...warnings];
}

/** Prints what a restore would do, or why it would be refused. Returns the exit code. */
async function tell(request: Request, context: Context): Promise<number> {
	try {
		const preview = await dryRun(request, context);
		context.progress.clear();
		if (request.json) printJson(preview);
		else print(reportPreview(preview));
		return EXIT.good;
	} catch (error) {
		context.signal.throwIfAborted();
		context.progress.clear();
		printError(error);
		return EXIT.notTried;
	}
}

await runCommand(async (context) => {
	const request = readRequest();
	if (request === null) {
		print(HELP.split('\n'));
		return EXIT.good;
	}
	if (request.dryRun) return await tell(request, context);
	const result = await restore(request, context);
	if (request.json) printJson({ restored: true, ...result });
	else print(report(result));
	return EXIT.good;
});
