import type { ListedBackup } from '../../lib/server/backup/format/manifest.ts';
import { backupOfFile, manifestKey } from '../../lib/server/backup/format/names.ts';
import { apiOf, type BackupApi, FROM_HELP } from '../client/api.ts';
import type { Destination } from '../copy/destination.ts';
import { openDestination } from '../copy/open.ts';
import { type Outcome, outcomeOf } from '../copy/outcome.ts';
import { KEY_HELP, KEY_OPTIONS, type KeyOptions } from '../secrets/keys.ts';
import { isBackupName, noBackup } from '../sources/backup.ts';
import { parseArguments, usageError } from '../terminal/arguments.ts';
import { type Context, runCommand } from '../terminal/command.ts';
import { EXIT } from '../terminal/errors.ts';
import { print, printJson } from '../terminal/print.ts';
import { count, formatTable } from '../terminal/text.ts';

const HELP = `Usage: npm run copy -- --to <destination> [options]

Copies the backups of the app elsewhere: each that the destination lacks, newest first, but a full one
before the differentials that rest on it. Each is verified
before it counts: who made it, its stored bytes and, if they can be read here, its rows. Nothing at the
destination is ever changed or removed: a file there that is not what it should be is named, and left.

--to <destination>
  FOLDER             a folder, made if there is none. \`npm run restore -- FOLDER/NAME.manifest.json\`
                     restores a backup from it
  s3://BUCKET/PREFIX any storage that speaks S3, with AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and
                     AWS_REGION from the environment or .env

Options
  --endpoint URL     the address of that storage; otherwise Amazon's
${FROM_HELP}
${KEY_HELP}
  --newest N         copy only what is missing of the N newest backups, and of the full ones on which
                     they rest
  --check            read and compare the files that are there; otherwise only their sizes
  --json             print one JSON object on standard output, and nothing else there
  --help             show this

Examples
  npm run copy -- --to /mnt/disk/backups
  npm run copy -- --to s3://copies/app --endpoint https://s3.eu-central-003.backblazeb2.com
  npm run copy -- --to /mnt/disk/backups --check

Exit codes: 0 all are there; 1 something is damaged, not the app's own, or differs; 2 the copy did not run,
or not to its end.
`;

const OPTIONS = {
	to: { type: 'string' },
	endpoint: { type: 'string' },
	from: { type: 'string' },
	...KEY_OPTIONS,
	newest: { type: 'string' },
	check: { type: 'boolean', default: false },
	json: { type: 'boolean', default: false },
	help: { type: 'boolean', short: 'h' },
} as const;

const HEADS = ['backup', 'bytes', 'compared', 'result'];
const GOOD = ['copied', 'there'];

interface Request {
	api: BackupApi;
	destination: Destination;
	keys: KeyOptions;
	/** How many of the app's backups; Infinity for all. */
	newest: number;
	check: boolean;
	json: boolean;
}

/** Reads the command line; null for --help. Throws what {@link openDestination} and {@link apiOf} throw. */
function readRequest({ signal }: Context): Request | null {
	const { values, positionals } = parseArguments('copy', OPTIONS);
	if (values.help) return null;
	const { to, endpoint, from, identity, unsigned, database, newest, check, json } = values;
	if (positionals.length > 0) throw usageError('copy', 'This command takes only options.');
	if (to === undefined || to === '') throw usageError('copy', 'Say where to copy, with --to.');
	if (newest !== undefined && !/^[1-9]\d{0,5}$/.test(newest)) {
		throw usageError('copy', '--newest takes a number from 1 to 999999.');
	}
	return {
		destination: openDestination(to, endpoint, signal),
		api: apiOf(from, signal, database),
		keys: { identity, unsigned, database },
		newest: newest === undefined ? Infinity : Number(newest),
		check,
		json,
	};
}

/** Throws `backup_not_found` (404) if the app has no backup, and what keeps the copy from running. */
async function copy(request: Request, context: Context): Promise<Outcome[]> {
	const { destination } = request;
	const listed = await listedBackups(request);
	const staging = destination.prepare();
	const sizes = await destination.sizes();
	const copying = { ...request, sizes, staging, context };
	const outcomes: Outcome[] = [];
	for (const name of namesOf(listed, sizes)) {
		context.signal.throwIfAborted();
		outcomes.push(await outcomeOf(name, listed.get(name) ?? null, copying));
	}
	return outcomes;
}

/** The newest backups of the app, and the full ones on which they rest. */
async function listedBackups({ api, newest }: Request): Promise<Map<string, ListedBackup>> {
	const listed = new Map<string, ListedBackup>();
	const parents = new Set<string>();
	let left = newest;
	for await (const backup of api.all()) {
		const { name, parent } = backup;
		if (!isBackupName(name) || (left <= 0 && !parents.has(name))) continue;
		listed.set(name, backup);
		parents.delete(name);
		if (left-- > 0 && parent !== null && !listed.has(parent)) parents.add(parent);
		if (left <= 0 && parents.size === 0) break;
	}
	if (listed.size === 0) throw noBackup();
	return listed;
}

/**
 * Those of the app, newest first but each after its parent, on which it rests; then the others that the
 * destination has.
 */
function namesOf(listed: Map<string, ListedBackup>, sizes: Map<string, number>): string[] {
	const there = [...sizes.keys()].flatMap((file) => {
		const name = backupOfFile(file);
		return name !== null && file === manifestKey(name) && !listed.has(name) ? [name] : [];
	});
	const ordered = listed.values().flatMap(({ name, parent }) => {
		return parent !== null && listed.has(parent) ? [parent, name] : [name];
	});
	return [...new Set([...ordered, ...there.sort().reverse()])];
}

function report(outcomes: Outcome[], { title }: Destination): string[] {
	const rows = outcomes.map(({ backup, bytes, checked, result }) => {
		return [backup, bytes ?? '', checked ?? '', result];
	});
	const bad = outcomes.filter(({ details }) => details.length > 0);
	const copied = outcomes.filter(({ result }) => result === 'copied').length;
	const good = outcomes.filter(({ result }) => GOOD.includes(result)).length;
	return [
		...['', ...formatTable(HEADS, rows), ''],
		...bad.flatMap(({ backup, details }) => details.map((detail) => `${backup}: ${detail}`)),
		`${title} has ${count(good)} of ${count(outcomes.length)} backups, ${count(copied)} of them new.`,
	];
}

await runCommand(async (context) => {
	const request = readRequest(context);
	if (request === null) {
		print(HELP.split('\n'));
		return EXIT.good;
	}
	const { destination, json } = request;
	const outcomes = await copy(request, context);
	if (json) printJson({ to: destination.title, backups: outcomes });
	else print(report(outcomes, destination));
	return outcomes.every(({ result }) => GOOD.includes(result)) ? EXIT.good : EXIT.differs;
});
