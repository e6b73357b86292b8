import { apiOf, FROM_HELP } from '../client/api.ts';
import { noBackup } from '../sources/backup.ts';
import { namedBackup } from '../sources/named.ts';
import { parseArguments, usageError } from '../terminal/arguments.ts';
import { runCommand } from '../terminal/command.ts';
import { EXIT } from '../terminal/errors.ts';
import { print, printJson } from '../terminal/print.ts';

const HELP = `Usage: npm run pin -- <backup> [options]

Pins a backup: neither the retention policy nor a request removes it until it is unpinned.

<backup>
  latest             the newest backup of the app
  NAME               another one, by its name in the list or that of one of its files

Options
${FROM_HELP}
  --database NAME    of this database of the app; otherwise of its first one
  --note TEXT        why, in one line; the list shows it
  --undo             take the pin back
  --json             print one JSON object on standard output, and nothing else there
  --help             show this

Examples
  npm run pin -- latest --note 'before the move to 2.0'
  npm run pin -- full_backup_2026-11-23T05:05:54.982Z --undo

Exit codes: 0 done; 2 the app did not do it.
`;

const OPTIONS = {
	from: { type: 'string' },
	database: { type: 'string' },
	note: { type: 'string' },
	undo: { type: 'boolean', default: false },
	json: { type: 'boolean', default: false },
	help: { type: 'boolean', short: 'h' },
} as const;

await runCommand(async ({ signal }) => {
	const { values, positionals } = parseArguments('pin', OPTIONS);
	if (values.help) {
		print(HELP.split('\n'));
		return EXIT.good;
	}
	const { from, database, note, undo, json } = values;
	if (undo && note !== undefined) throw usageError('pin', 'Either --undo or --note, not both.');
	const isLatest = positionals.length === 1 && positionals[0] === 'latest';
	const named = isLatest ? null : namedBackup('pin', positionals);
	const api = apiOf(from, signal, database);
	const name = named ?? (await api.list())[0]?.name;
	if (name === undefined) throw noBackup();
	const pin = undo ? await api.unpin(name) : await api.pin(name, note ?? '');
	if (json) printJson({ backup: name, pin: pin ?? null });
	else print([`${name} is ${pin ? 'pinned' : 'not pinned any more'}.`]);
	return EXIT.good;
});
