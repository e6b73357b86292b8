import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { refuseReservedNames, type Survey } from '../../lib/server/backup/restore/survey.ts';
import { LifeboatError } from '../../lib/server/errors.ts';
import { apiOf, FROM_HELP } from '../client/api.ts';
import { type Backup, isBackupName } from '../sources/backup.ts';
import { fetchBackup } from '../sources/app.ts';
import { openBackup } from '../sources/files.ts';
import { verifyBackup } from '../sources/verify.ts';
import { type Context, runCommand } from '../terminal/command.ts';
import { DetailedError, EXIT, asLifeboatError } from '../terminal/errors.ts';
import { parseArguments, usageError } from '../terminal/arguments.ts';
import { KEY_HELP, KEY_OPTIONS, type KeyOptions } from '../secrets/keys.ts';
import { openTarget } from '../targets/open.ts';
import type { Kept, Plan, Target } from '../targets/target.ts';
import { count, formatTable, megabytes, seconds } from '../terminal/text.ts';

const HELP = `Usage: npm run restore -- <backup> --to <target> [options]

Restores a backup. It is verified first: what is damaged is not restored, and the target stays as it
is. A target that holds something is only replaced when you say so, and is kept before. What was
restored is compared with what the backup says.

<backup>
  latest             the newest backup of the app
  NAME               another one, by its name in the list: full_backup_2026-11-23T05:05:54.982Z
  FILE               an SQL file on this machine, also .sql.gz or .sql.gz.age, also of wrangler or
                     sqlite3; of a backup in several volumes its manifest

--to <target>
  local              the app's embedded database, in .wrangler/state; local:FOLDER for another folder
  FILE.db            an SQLite file; .sqlite and .sqlite3 will do as well
  remote:NAME        the D1 database NAME on Cloudflare; needs \`npx wrangler login\`

Options
${FROM_HELP}
${KEY_HELP}
  --tables A,B       put back only the rows of these tables; all else in the target stays
  --replace          replace all that the target holds
  --yes NAME         answers the question before a replace, in scripts: local, the file's name, or
                     the name of the remote database
  --json             print one JSON object on standard output, and nothing else there
  --help             show this

Examples
  npm run restore -- latest --to local --replace
  npm run restore -- latest --to local --tables users,sessions
  npm run restore -- backup.sql --to restored.db

Exit codes: 0 restored; 1 the backup is damaged, or what came of it differs, or the database refused
it; 2 it could not be tried.
`;

const OPTIONS = {
	to: { type: 'string' },
	from: { type: 'string' },
	...KEY_OPTIONS,
	tables: { type: 'string' },
	replace: { type: 'boolean', default: false },
	yes: { type: 'string' },
	json: { type: 'boolean', default: false },
	help: { type: 'boolean', short: 'h' },
} as const;

interface Request {
	backup: string;
	to: string;
	from: string | undefined;
	keys: KeyOptions;
	tables: string[] | null;
	replace: boolean;
	/** What was typed in advance; undefined where somebody is to be asked. */
	yes: string | undefined;
	json: boolean;
}

interface Result {
	backup: string;
	target: string;
	tables: { name: string; rows: number }[];
	/** Bytes of SQL. */
	bytes: number;
	startedAt: string;
	finishedAt: string;
	kept: Kept | null;
}

/** What was asked for; null for help. Throws `usage` (400). */
function readRequest(): Request | null {
	const { values, positionals } = parseArguments('restore', OPTIONS);
	if (values.help) return null;
	const [backup, ...more] = positionals;
	if (backup === undefined)
		throw usageError('restore', 'Say which backup: latest, a name or a file.');
	if (more.length > 0)
		throw usageError('restore', `One backup at a time, not also ${more.join(' ')}.`);
	if (values.to === undefined) throw usageError('restore', 'Say where to restore it, with --to.');
	const { to, from, identity, unsigned, replace, yes, json } = values;
	const tables = values.tables?.split(',').filter((name) => name !== '') ?? null;
	if (tables?.length === 0) throw usageError('restore', '--tables needs names of tables.');
	return { backup, to, from, keys: { identity, unsigned }, tables, replace, yes, json };
}

async function restore(request: Request, context: Context): Promise<Result> {
	const startedAt = new Date();
	// At once: the one waits for a database to start, the other reads the file.
	const [{ target, contents }, { backup, survey }] = await Promise.all([
		findTarget(request, context),
		findBackup(request, context),
	]);
	const tables = request.tables && knownTables(request.tables, survey);
	if (contents.length > 0) await confirm(target, contents, request, context);
	const kept = contents.length > 0 ? await target.keep() : null;

	const onProgress = toldBySteps(target, survey, context);
	const plan: Plan = { sql: backup.sql, survey, tables, kept, onProgress };
	onProgress(0, 'restore');
	try {
		context.signal.throwIfAborted();
		await target.restore(plan);
	} catch (error) {
		throw await failure(target, plan, error);
	}
	context.progress.clear();
	const names = tables ?? survey.core?.tables.map(({ name }) => name) ?? survey.tableNames;
	const rows = await target.count(names);
	return {
		backup: backup.name,
		target: target.title,
		tables: names.map((name, index) => ({ name, rows: rows[index] ?? 0 })),
		bytes: survey.bytes,
		startedAt: startedAt.toISOString(),
		finishedAt: new Date().toISOString(),
		kept,
	};
}

function toldBySteps(target: Target, survey: Survey, { progress }: Context): Plan['onProgress'] {
	const titles = {
		restore: `restore: into ${target.title}`,
		compare: 'compare: what was restored, with what the backup says',
	};
	let told = '';
	return (bytes, step) => {
		if (step !== told) progress.step(titles[step]);
		told = step;
		progress.bytes(bytes, survey.bytes);
	};
}

async function findBackup(
	{ backup: word, from, keys }: Request,
	context: Context,
): Promise<{ backup: Backup; survey: Survey }> {
	const backup = isBackupName(word)
		? await fetchBackup(apiOf(from, context.signal), word, keys, context)
		: await openBackup(word, keys, context);
	const survey = await verifyBackup(backup, context);
	refuseReservedNames(survey);
	return { backup, survey };
}

/** The target and what is in it. Throws `target_not_empty` (409) where that may not be replaced. */
async function findTarget(
	{ to, replace, tables }: Request,
	context: Context,
): Promise<{ target: Target; contents: string[] }> {
	const target = await openTarget(to, context);
	const contents = await target.contents();
	if (contents.length > 0 && !replace && tables === null) throw notEmpty(target, contents);
	return { target, contents };
}

/** The tables as the backup spells them. */
function knownTables(names: string[], { tableNames }: Survey): string[] {
	return names.map((name) => {
		const found = tableNames.find((known) => known.toLowerCase() === name.toLowerCase());
		if (found === undefined) throw tableUnknown(name, tableNames);
		return found;
	});
}

/** Has the target's name typed. Throws `replace_not_confirmed` (409) for anything else. */
async function confirm(
	target: Target,
	contents: string[],
	{ tables, yes }: Request,
	{ signal }: Context,
): Promise<void> {
	if (yes !== undefined || !process.stdin.isTTY) {
		if (yes === target.name) return;
		throw notConfirmed(target);
	}
	const what = tables ? `rows of ${tables.join(', ')}` : `all of it: ${some(contents)}`;
	process.stderr.write(`This replaces ${what} in ${target.title}.\nType ${target.name} to do it: `);
	const lines = createInterface({ input: process.stdin });
	const ended = once(lines, 'close', { signal }).then(() => ['']);
	const [typed] = (await Promise.race([once(lines, 'line', { signal }), ended]).catch(() => {
		throw signal.reason;
	})) as string[];
	lines.close();
	if (typed?.trim() !== target.name) throw notConfirmed(target);
}

/** The error of a restore that failed, with what became of the target. */
async function failure(target: Target, plan: Plan, error: unknown): Promise<DetailedError> {
	const state = await target.recover(plan, error).catch(() => {
		const { kept } = plan;
		return kept ? `To get back what was there: ${kept.undo}` : 'Look at what is in it.';
	});
	return new DetailedError(asLifeboatError(error), [`${target.title}: ${state}`]);
}

function report({ backup, target, tables, bytes, startedAt, finishedAt, kept }: Result): string {
	const rows = tables.map(({ name, rows: number }) => [name, number]);
	const total = tables.reduce((sum, table) => sum + table.rows, 0);
	const time = seconds(Date.parse(finishedAt) - Date.parse(startedAt));
	const lines = [
		'',
		formatTable(['table', 'rows'], rows),
		'',
		`Restored ${backup} into ${target}: ${tables.length} tables, ${count(total)} rows, ${megabytes(bytes)} of SQL in ${time}.`,
	];
	if (kept)
		lines.push(
			`What was there before is in ${kept.file}. To get it back:`,
			'',
			`  ${kept.undo}`,
			'',
		);
	return lines.join('\n');
}

function some(names: string[]): string {
	const more = names.length > 5 ? ` and ${names.length - 5} more` : '';
	return names.slice(0, 5).join(', ') + more;
}

function notEmpty({ title, name }: Target, contents: string[]): LifeboatError {
	return new LifeboatError(
		`There is something in ${title}: ${some(contents)}. Nothing was changed.`,
		{
			code: 'target_not_empty',
			status: 409,
			hint: `Restore to another target, or replace this one with --replace, in scripts also --yes ${name}.`,
		},
	);
}

function notConfirmed({ name }: Target): LifeboatError {
	return new LifeboatError('The replace was not confirmed. Nothing was changed.', {
		code: 'replace_not_confirmed',
		status: 409,
		hint: `Type ${name} when you are asked, or in scripts: --yes ${name}`,
	});
}

function tableUnknown(name: string, known: string[]): LifeboatError {
	return new LifeboatError(
		`The backup has no table ${JSON.stringify(name)}. Nothing was changed.`,
		{
			code: 'table_unknown',
			status: 400,
			hint: `It has: ${known.join(', ')}.`,
		},
	);
}

await runCommand(async (context) => {
	const request = readRequest();
	if (request === null) {
		console.log(HELP);
		return EXIT.good;
	}
	const result = await restore(request, context);
	console.log(request.json ? JSON.stringify({ restored: true, ...result }) : report(result));
	return EXIT.good;
});
