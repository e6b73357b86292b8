import type { PlannedBackup } from '../../lib/server/backup/keep/outlook.ts';
import type { Pruned } from '../../lib/server/backup/keep/prune.ts';
import {
	DATABASE_HELP,
	DATABASE_OPTIONS,
	forDatabases,
	requireOneOrAll,
} from '../client/databases.ts';
import { parseArguments, usageError } from '../terminal/arguments.ts';
import { runCommand } from '../terminal/command.ts';
import { EXIT } from '../terminal/errors.ts';
import { print, printJson } from '../terminal/print.ts';
import { count, formatTable, minute } from '../terminal/text.ts';

const HELP = `Usage: npm run prune [-- options]

Shows which backups the app's retention policy keeps, and why. With --apply it does what it shows: marks
what no rule keeps, and removes what was marked at least seven days ago, which the app also does after each
backup. docs/retention.md explains the policy.

Options
  --apply            do it; otherwise nothing is changed
${DATABASE_HELP}
  --help             show this

Examples
  npm run prune
  npm run prune -- --apply
  npm run prune -- --json | jq '.backups[] | select(.keep | not) | .name'

Exit codes: 0 shown, or done; 2 the app could not do it.
`;

const OPTIONS = {
	...DATABASE_OPTIONS,
	apply: { type: 'boolean', default: false },
	help: { type: 'boolean', short: 'h' },
} as const;

const HEADS = ['backup', 'kind', 'result', 'reasons', 'mark'];

/** What a run does with a backup, or would do. */
const ACTIONS: Record<PlannedBackup['action'], [would: string, did: string]> = {
	keep: ['kept', 'kept'],
	leave: ['left alone', 'left alone'],
	mark: ['to be marked', 'marked'],
	unmark: ['mark to be withdrawn', 'mark withdrawn'],
	wait: ['waits', 'waits'],
	remove: ['to be removed', 'removed'],
	later: ['later', 'later'],
};

await runCommand(async (context) => {
	const { values, positionals } = parseArguments('prune', OPTIONS);
	if (values.help) {
		print(HELP.split('\n'));
		return EXIT.good;
	}
	if (positionals.length > 0) throw usageError('prune', 'This command takes only options.');
	requireOneOrAll('prune', values);
	const { apply, json } = values;
	return forDatabases(values, context, async (api, database) => {
		const pruned = await api.prune({ dryRun: !apply });
		if (json) printJson({ ...(database !== undefined && { database }), ...pruned });
		else print(report(pruned, apply));
		return EXIT.good;
	});
});

function report(pruned: Pruned, isDone: boolean): string[] {
	const rows = pruned.backups.map((backup) => cells(backup, isDone));
	return [
		sentence(pruned, isDone),
		...leftoversSentence(pruned, isDone),
		...(rows.length > 0 ? ['', ...formatTable(HEADS, rows)] : []),
	];
}

/** What a run would do, or has done. */
function sentence({ blocked, backups, removed }: Pruned, isDone: boolean): string {
	if (backups.length === 0 && removed.length === 0) return 'There are no backups.';
	const of = (action: string, result?: string) =>
		backups.filter((one) => one.action === action && one.result === result).length;
	const [done, locked] = isDone ? ['done', 'locked'] : [undefined, undefined];
	const parts = [
		[of('mark', done), 'marked'],
		[of('wait'), 'marked already'],
		[of('unmark', done), 'no longer marked'],
		[isDone ? removed.length : of('remove'), 'removed'],
		[locked ? backups.filter(({ result }) => result === locked).length : 0, 'kept by a lock rule'],
		[backups.filter((one) => isLater(one)).length, 'left to later runs'],
	] as const;
	const told = parts
		.filter(([number]) => number > 0)
		.map(([number, what]) => `${count(number)} ${what}`);
	const total = `${count(backups.length)} ${backups.length === 1 ? 'backup' : 'backups'}`;
	const why = blocked ? ` Nothing may be removed now: ${blocked.text}.` : '';
	if (told.length === 0) return `Nothing to do: ${total}.${why}`;
	if (isDone) return `Of ${total}: ${told.join(', ')}.${why}`;
	return `Dry run. Of ${total} would be: ${told.join(', ')}.${why} --apply does it.`;
}

function isLater({ action, result }: PlannedBackup): boolean {
	return action === 'later' || result === 'later';
}

function leftoversSentence({ leftovers = [] }: Partial<Pruned>, isDone: boolean): string[] {
	if (leftovers.length === 0) return [];
	const verb = isDone ? 'was removed' : 'would be removed';
	return [`What backups that do not exist have left ${verb}: ${leftovers.join(', ')}.`];
}

function cells(backup: PlannedBackup, isDone: boolean): string[] {
	const { name, kind, reasons, pin } = backup;
	const note = pin && pin.note !== '' ? [`pinned: ${pin.note}`] : [];
	const texts = reasons
		.map(({ text }) => text)
		.filter((text) => note.length === 0 || text !== 'pinned');
	return [
		name,
		kind === 'full' ? 'full' : 'differential',
		resultOf(backup, isDone),
		[...texts, ...note].join('; '),
		markOf(backup),
	];
}

function resultOf({ action, result, damaged }: PlannedBackup, isDone: boolean): string {
	const [would, did] = ACTIONS[action];
	const word = isDone ? (result === 'locked' || result === 'later' ? result : did) : would;
	return damaged ? `${word}, damaged` : word;
}

function markOf({ mark }: PlannedBackup): string {
	if (mark === null) return '';
	const since = `${mark.by === 'request' ? 'requested' : 'marked'} ${minute(mark.at)}`;
	if (mark.removing) return `${since}, being removed`;
	if (mark.locked) return `${since}, kept by a lock rule`;
	return `${since}, may go from ${minute(mark.removableAt)} UTC`;
}
