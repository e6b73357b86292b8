import { apiOf, FROM_HELP } from '../client/api.ts';
import { namedBackup } from '../sources/named.ts';
import { parseArguments } from '../terminal/arguments.ts';
import { runCommand } from '../terminal/command.ts';
import { EXIT } from '../terminal/errors.ts';
import { print, printJson } from '../terminal/print.ts';
import { minute } from '../terminal/text.ts';

const HELP = `Usage: npm run delete -- <backup> [options]

Marks a backup for removal, whatever the retention policy says. Nothing is removed before seven days are
over; until then --undo saves the backup. Refused for a backup on which others rest, for a pinned one, and
for those that always stay, such as the newest.

<backup>
  NAME               by its name in the list, or that of one of its files

Options
${FROM_HELP}
  --database NAME    of this database of the app; otherwise of its first one
  --undo             take the mark back, also one that the retention policy has made
  --json             print one JSON object on standard output, and nothing else there
  --help             show this

Examples
  npm run delete -- full_backup_2026-11-23T05:05:54.982Z
  npm run delete -- full_backup_2026-11-23T05:05:54.982Z --undo

Exit codes: 0 done; 2 the app did not do it.
`;

const OPTIONS = {
	from: { type: 'string' },
	database: { type: 'string' },
	undo: { type: 'boolean', default: false },
	json: { type: 'boolean', default: false },
	help: { type: 'boolean', short: 'h' },
} as const;

await runCommand(async ({ signal }) => {
	const { values, positionals } = parseArguments('delete', OPTIONS);
	if (values.help) {
		print(HELP.split('\n'));
		return EXIT.good;
	}
	const { from, database, undo, json } = values;
	const name = namedBackup('delete', positionals);
	const api = apiOf(from, signal, database);
	const mark = undo ? await api.unmark(name) : await api.delete(name);
	if (json) printJson({ backup: name, mark: mark ?? null });
	else if (mark) print([`${name} is marked. It may go from ${minute(mark.removableAt)} UTC on.`]);
	else print([`${name} is not marked any more.`]);
	return EXIT.good;
});
