import {
	type Finding,
	noFindings,
	type State,
	STATES,
	type Totals,
} from '../../lib/server/backup/keep/check/findings.ts';
import type { BackupApi } from '../client/api.ts';
import {
	DATABASE_HELP,
	DATABASE_OPTIONS,
	forDatabases,
	requireOneOrAll,
} from '../client/databases.ts';
import { parseArguments, usageError } from '../terminal/arguments.ts';
import { type Context, runCommand } from '../terminal/command.ts';
import { EXIT } from '../terminal/errors.ts';
import { print, printJson } from '../terminal/print.ts';
import { count, formatTable, size } from '../terminal/text.ts';

const HELP = `Usage: npm run check:bucket -- [options]

Tells what every object in the bucket of the backups is. It compares names, sizes and signatures, and
changes nothing; a drill also reads what is in them.

  valid              a file of a complete backup of the app, or what the app remembers
  in progress        of a backup that is being made
  leftover           of a backup that does not exist; prune removes it once it is a day old
  locked             it would be removed, but a lock rule of the bucket keeps it
  missing            a manifest names it, and it does not exist or has another size
  foreign            nothing shows that it is the app's own; it is never removed

Options
${DATABASE_HELP}
  --help             show this

Examples
  npm run check:bucket
  npm run check:bucket -- --all --json | jq '.objects[]'

Exit codes: 0 all backups are whole; 1 parts are missing, or files that look like those of a backup are not
the app's own; 2 the bucket could not be checked.
`;

const OPTIONS = { ...DATABASE_OPTIONS, help: { type: 'boolean', short: 'h' } } as const;

/** Lines of the table: the rest is in the output of --json. */
const MAX_ROWS = 200;

interface Result {
	database: string;
	totals: Totals;
	objects: Finding[];
}

await runCommand(async (context) => {
	const { values, positionals } = parseArguments('check:bucket', OPTIONS);
	if (values.help) {
		print(HELP.split('\n'));
		return EXIT.good;
	}
	if (positionals.length > 0) {
		throw usageError('check:bucket', 'This command takes only options.');
	}
	requireOneOrAll('check:bucket', values);
	return forDatabases(values, context, async (api) => {
		const result = await check(api, context);
		if (values.json) printJson(result);
		else print(report(result));
		return isGood(result) ? EXIT.good : EXIT.differs;
	});
});

/** All pages together. */
async function check(api: BackupApi, { progress, signal }: Context): Promise<Result> {
	const result = { database: '', ...noFindings() };
	for await (const { database, totals, objects, cursor } of api.check()) {
		signal.throwIfAborted();
		result.database = database;
		addTotals(result.totals, totals);
		result.objects.push(...objects);
		const seen = Object.values(result.totals).reduce((sum, { objects }) => sum + objects, 0);
		if (cursor !== null) progress.note(`${count(seen)} objects so far ...`);
	}
	return result;
}

function addTotals(totals: Totals, more: Totals): void {
	for (const state of STATES) {
		totals[state].objects += more[state].objects;
		totals[state].bytes += more[state].bytes;
	}
}

/** Files of something else in the bucket are no fault; files that only look like backups are. */
function isGood({ objects }: Result): boolean {
	return !objects.some(
		({ state, backup }) => state === 'missing' || (state === 'foreign' && backup !== null),
	);
}

function report({ totals, objects }: Result): string[] {
	const sums = STATES.filter((state) => totals[state].objects > 0).map((state) => {
		return [titleOf(state), totals[state].objects, size(totals[state].bytes)];
	});
	const shown = objects.slice(0, MAX_ROWS);
	const rows = shown.map(({ key, state, backup, text }) => {
		return [titleOf(state), key, state === 'missing' ? `${text} (of ${backup})` : text];
	});
	const more = objects.length - shown.length;
	return [
		...formatTable(['state', 'objects', 'bytes'], sums),
		...(rows.length > 0 ? ['', ...formatTable(['state', 'object', 'why'], rows)] : []),
		...(more > 0 ? [`And ${count(more)} more: --json prints all.`] : []),
		...['', verdict(totals)],
	];
}

function verdict({ missing, leftover, locked, foreign }: Totals): string {
	const sentences = [
		missing.objects > 0
			? `${count(missing.objects)} parts of backups are missing: drill what rests on them, and make a new backup.`
			: 'No part of a backup is missing.',
		...(leftover.objects > 0 ? ['The next prune removes leftovers that are a day old.'] : []),
		...(locked.objects > 0 ? ['What is locked goes once the rule no longer covers it.'] : []),
		...(foreign.objects > 0
			? ['Foreign objects stay: look at them, and remove them yourself.']
			: []),
	];
	return sentences.join(' ');
}

function titleOf(state: State): string {
	return state.replace('_', ' ');
}
