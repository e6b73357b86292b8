import { apiOf, FROM_HELP } from '../client/api.ts';
import { parseArguments, usageError } from '../terminal/arguments.ts';
import { runCommand } from '../terminal/command.ts';
import { EXIT } from '../terminal/errors.ts';
import { print, printJson } from '../terminal/print.ts';
import { count } from '../terminal/text.ts';

const HELP = `Usage: npm run unlock [-- options]

Lifts the lockout of six-digit codes: the app forgets the wrong codes that it has counted. That allows 15
more guesses, so first look at where they come from: \`npm run journal -- --refused\`.

Options
${FROM_HELP}
  --json             print one JSON object on standard output, and nothing else there
  --help             show this

Exit codes: 0 six digits are accepted; 2 the app did not lift it.
`;

const OPTIONS = {
	from: { type: 'string' },
	json: { type: 'boolean', default: false },
	help: { type: 'boolean', short: 'h' },
} as const;

await runCommand(async ({ signal }) => {
	const { values, positionals } = parseArguments('unlock', OPTIONS);
	if (values.help) {
		print(HELP.split('\n'));
		return EXIT.good;
	}
	if (positionals.length > 0) throw usageError('unlock', 'This command takes only options.');
	const { wrong, lockedUntil } = await apiOf(values.from, signal).unlock();
	if (values.json) printJson({ lifted: { wrong, lockedUntil } });
	else print([sentence(wrong, lockedUntil)]);
	return EXIT.good;
});

function sentence(wrong: number, lockedUntil: string | null): string {
	const forgotten = `${count(wrong)} wrong ${wrong === 1 ? 'code' : 'codes'} forgotten.`;
	if (lockedUntil === null) return `Six digits were not locked out. ${forgotten}`;
	return `Lifted: six digits were locked out until ${lockedUntil}. ${forgotten}`;
}
