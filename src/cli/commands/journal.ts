import type { Entry } from '../../lib/server/operations/audit-log.ts';
import { apiOf, type BackupApi, FROM_HELP } from '../client/api.ts';
import { type Context, runCommand } from '../terminal/command.ts';
import { EXIT } from '../terminal/errors.ts';
import { parseArguments, usageError } from '../terminal/arguments.ts';
import { print, printJsonLines } from '../terminal/print.ts';
import { formatTable, megabytes, seconds } from '../terminal/text.ts';

/** Entries per call: the most that the app returns. */
const PAGE = 500;

/** Calls at most: what the highest limit takes. An app that never comes to an end is not read forever. */
const MAX_PAGES = 2_000;

const HELP = `Usage: npm run journal [-- options]

Shows the app's audit log: every call of the backup API and its outcome, newest first.

Options
${FROM_HELP}
  --limit N          show N entries; otherwise 50
  --database NAME    show only what concerns this database of the app
  --refused          show only calls that were refused or failed
  --json             print one JSON object a line for each entry, and nothing else on standard output
  --help             show this

Examples
  npm run journal
  npm run journal -- --refused --limit 200
  npm run journal -- --json | jq 'select(.operation == "backup")'

Exit codes: 0 shown; 2 the audit log could not be read.
`;

const OPTIONS = {
	from: { type: 'string' },
	limit: { type: 'string', default: '50' },
	database: { type: 'string' },
	refused: { type: 'boolean', default: false },
	json: { type: 'boolean', default: false },
	help: { type: 'boolean', short: 'h' },
} as const;

const HEADS = ['time', 'operation', 'outcome', 'code', 'backup', 'rows', 'size', 'took', 'who'];

interface Request {
	api: BackupApi;
	limit: number;
	refused: boolean;
	database: string | undefined;
	json: boolean;
}

/** Reads the command line; null for --help. Throws `usage` (400), and what {@link apiOf} throws. */
function readRequest({ signal }: Context): Request | null {
	const { values, positionals } = parseArguments('journal', OPTIONS);
	if (values.help) return null;
	const { from, limit, refused, database, json } = values;
	if (positionals.length > 0) throw usageError('journal', 'This command takes only options.');
	if (!/^[1-9]\d{0,5}$/.test(limit))
		throw usageError('journal', '--limit takes a number from 1 to 999999.');
	return { api: apiOf(from, signal), limit: Number(limit), refused, database, json };
}

/** The newest entries, up to the limit, from as many pages as that takes. */
async function read({ api, limit, refused, database }: Request): Promise<Entry[]> {
	const isAll = !refused && database === undefined;
	const isWanted = (entry: Entry) =>
		(!refused || entry.outcome !== 'done') &&
		(database === undefined || entry.database === database);
	const found: Entry[] = [];
	let before: string | null = null;
	for (let pages = 0; pages < MAX_PAGES && found.length < limit; pages++) {
		const page = await api.journal(isAll ? Math.min(PAGE, limit - found.length) : PAGE, before);
		found.push(...page.entries.filter(isWanted));
		before = page.before;
		if (before === null) break;
	}
	return found.slice(0, limit);
}

function noneOf({ refused, database }: Request): string {
	const about = database === undefined ? '' : ` about ${database}`;
	if (refused) return `No call${about} was refused or failed.`;
	return about === '' ? 'The audit log is empty.' : `The audit log has no entry${about}.`;
}

/** The entries as a table, with their databases where the app has several. */
function table(entries: Entry[]): string[] {
	if (entries.every(({ database }) => database === undefined)) {
		return formatTable(HEADS, entries.map(cells));
	}
	const rows = entries.map((entry) => [entry.database ?? '', ...cells(entry)]);
	return formatTable(['database', ...HEADS], rows);
}

function cells(entry: Entry): (string | number)[] {
	const { time, operation, outcome, code, backup, rows, bytes, durationMs } = entry;
	return [
		time,
		operation,
		outcome,
		code ?? '',
		backup ?? '',
		rows ?? '',
		bytes === undefined ? '' : megabytes(bytes),
		durationMs === undefined ? '' : seconds(durationMs),
		whoOf(entry),
	];
}

/** The kind of caller, an administrator's GitHub account, and the address. */
function whoOf({ caller: { kind, account, address }, previousSecret }: Entry): string {
	const by = previousSecret ? `${kind} of the previous secret` : kind;
	return account === undefined ? `${by} ${address}` : `${by} ${account} ${address}`;
}

await runCommand(async (context) => {
	const request = readRequest(context);
	if (request === null) {
		print(HELP.split('\n'));
		return EXIT.good;
	}
	const { json } = request;
	const entries = await read(request);
	if (json) printJsonLines(entries);
	else if (entries.length > 0) print(table(entries));
	else print([noneOf(request)]);
	return EXIT.good;
});
