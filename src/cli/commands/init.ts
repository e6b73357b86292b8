import { resolve } from 'node:path';
import { diffLines, writeAll } from '../init/edits.ts';
import { nextCommands } from '../init/next.ts';
import { plan, type Plan } from '../init/plan.ts';
import { secretsFile } from '../secrets/dotenv.ts';
import { exampleSettings, settled, setUp } from '../secrets/set-up.ts';
import { parseArguments, usageError } from '../terminal/arguments.ts';
import { type Ask, withTerminal } from '../terminal/ask.ts';
import { printError } from '../terminal/command.ts';
import { EXIT, exitCode } from '../terminal/errors.ts';
import { print, printed } from '../terminal/print.ts';

const HELP = `Usage: npx lifeboat init [options]

Adds backups to the SvelteKit app in the current folder, on Cloudflare Pages or Workers. Shows every change
as a diff and asks before it writes: Lifeboat's handle in src/hooks.server, a bucket and what the code needs
in wrangler's configuration, the two workflows for GitHub, and what git has to ignore. Then it makes the
secrets as \`npx lifeboat setup\` does, in .dev.vars if there is one, else in .env. What is done already is
left alone, so it can be run again.

  --yes              change the files without asking; needed where there is no terminal
  --dry-run          show the changes, and write nothing
  --help             show this

For the secrets; a terminal is asked for what is missing:
  --origin URLS      BACKUP_ORIGIN: the app's address, such as https://app.example.com
  --webhook URL      ALERT_WEBHOOK_URL: where alerts go
  --monitor URL      HEALTHCHECK_PING_URL: the ping URL of a monitor
  --identity-copied  a copy of the identity, which opens encrypted backups, is stored in a safe place
  --no-encrypt       leave encryption as it is
  --post-quantum     make an identity that withstands quantum computers too; it needs age 1.3 or newer

Exit codes: 0; 1 if encryption waits for a copy of the identity; 2 if nothing was changed, and why.
`;

const OPTIONS = {
	yes: { type: 'boolean', short: 'y', default: false },
	'dry-run': { type: 'boolean', default: false },
	encrypt: { type: 'boolean' },
	'no-encrypt': { type: 'boolean', default: false },
	'post-quantum': { type: 'boolean', default: false },
	'identity-copied': { type: 'boolean', default: false },
	origin: { type: 'string' },
	webhook: { type: 'string' },
	monitor: { type: 'string' },
	help: { type: 'boolean', short: 'h' },
} as const;

type Values = ReturnType<typeof parseArguments<typeof OPTIONS>>['values'];

async function main(): Promise<number> {
	const { values, positionals } = parseArguments('init', OPTIONS);
	if (values.help) {
		print(HELP.split('\n'));
		return EXIT.good;
	}
	if (positionals.length > 0) throw usageError('init', `${positionals[0]} is not an option.`);
	if (values['post-quantum'] && values['no-encrypt']) {
		throw usageError('init', 'Either --post-quantum or --no-encrypt.');
	}
	return withTerminal((ask) => init(values, ask));
}

async function init(values: Values, ask: Ask | null): Promise<number> {
	const file = secretsFile();
	const request = {
		encrypt: values['no-encrypt'] ? false : values.encrypt,
		postQuantum: values['post-quantum'],
		identityCopied: values['identity-copied'],
		answers: { origin: values.origin, webhook: values.webhook, monitor: values.monitor },
	};
	const example = exampleSettings(true);
	const planned = await plan(resolve('.'), file);
	const { env } = settled(file, example, request); // throws before anything is written
	show(planned, file, env.made);
	if (values['dry-run']) return EXIT.good;
	if (planned.edits.length > 0 && !(await isWanted(values.yes, ask))) {
		print(['Nothing was changed.']);
		return EXIT.good;
	}
	writeAll(planned.edits);
	const isComplete = await setUp(file, example, request, ask);
	print([...planned.byHand, ...(planned.byHand.length > 0 ? [''] : []), ...nextCommands(planned)]);
	return isComplete ? EXIT.good : EXIT.differs;
}

function show({ edits, byHand }: Plan, file: string, made: string[]): void {
	for (const edit of edits) print([...diffLines(edit), '']);
	if (edits.length === 0) print(['The app is wired up already.']);
	if (byHand.length > 0) print([...byHand, '']);
	if (made.length > 0) print([`${file} gets ${made.join(', ')}.`, '']);
}

async function isWanted(isGranted: boolean, ask: Ask | null): Promise<boolean> {
	if (isGranted) return true;
	if (!ask)
		throw usageError('init', 'There is no terminal to ask on. Give --yes to change the files.');
	return /^y(es)?$/i.test(await ask('Change these files? Type yes (Enter: no) '));
}

await main()
	.catch((error: unknown) => exitCode(printError(error)))
	.then(async (code) => {
		await printed();
		process.exitCode = code;
	});
