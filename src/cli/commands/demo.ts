import { join } from 'node:path';
import { parseArgs, stripVTControlCharacters } from 'node:util';
import { BackupApi } from '../client/api.ts';
import { keepRunning, start } from '../demo/app.ts';
import { backUp, decode } from '../demo/backup.ts';
import { nextCommands } from '../demo/next.ts';
import { prepare } from '../demo/prepare.ts';
import { restore } from '../demo/restore.ts';
import { Steps } from '../demo/steps.ts';
import type { Product, Server } from '../embedded/server.ts';
import { readEnvFile } from '../secrets/dotenv.ts';
import { keepPrivate, temporaryFolder } from '../terminal/command.ts';
import { describe, EXIT } from '../terminal/errors.ts';
import { print, printAside } from '../terminal/print.ts';
import { programBeside } from '../terminal/run.ts';
import { warningLines } from '../terminal/warnings.ts';

const SETUP = programBeside(import.meta.url, 'setup');

const HELP = `Usage: npm run demo [-- --exit] [--worker]

Runs the app on this machine, on the D1 and R2 that wrangler embeds, and proves one backup: fills
tables whose names begin with demo_, makes a backup over HTTP, restores it into another database,
and compares the two. The app then keeps running until Ctrl-C.

Works in the current folder: .env gets the secrets that it lacks, .wrangler/state holds the data.

  --exit    stop after the comparison: status 0, or 1 when something differs
  --worker  run the app as a Worker, in place of Pages
  --help    show this
`;

async function main(): Promise<void> {
	const options = {
		exit: { type: 'boolean' },
		worker: { type: 'boolean' },
		help: { type: 'boolean', short: 'h' },
	} as const;
	const { values } = parseArgs({ options });
	if (values.help) return print(HELP.split('\n'));
	keepPrivate();
	const interruption = new AbortController();
	for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
		process.on(name, () => interruption.abort());
	}
	try {
		const as = values.worker ? 'worker' : 'pages';
		await demonstrate({ as, exit: Boolean(values.exit) }, interruption.signal);
	} catch (error) {
		if (!interruption.signal.aborted) throw error;
		printAside(['Stopped.']);
		process.exitCode = EXIT.interrupted;
	}
}

async function demonstrate(
	{ as, exit }: { as: Product; exit: boolean },
	signal: AbortSignal,
): Promise<void> {
	const folder = temporaryFolder();
	const steps = new Steps(signal);
	let server: Server | undefined;
	try {
		await prepare(steps, SETUP, signal);
		server = await start(steps, as);
		const api = new BackupApi(server.url, readEnvFile(), signal); // the app reads the same file
		const { volumes, warnings } = await backUp(steps, api, folder);
		const file = await decode(steps, volumes, folder);
		const { differences } = await restore(steps, file, join(folder, 'state'), signal);
		print(['', ...steps.format(), '', ...warningLines(warnings)]);
		if (differences.length > 0) {
			printAside(['The copy differs:', ...differences]);
			process.exitCode = EXIT.differs;
		} else if (!exit) {
			print(nextCommands(server.url, volumes).split('\n'));
			await keepRunning(server, signal);
		}
	} catch (error) {
		if (server && !signal.aborted) printAside(['What the app printed:', ...linesOf(server)]);
		throw error;
	} finally {
		await server?.stop();
	}
}

/** Without its colours. */
function linesOf(server: Server): string[] {
	return stripVTControlCharacters(server.output()).split(/\r?\n/);
}

// Awaited, so that Node fails if it runs out of work before the end.
await main().catch((error: unknown) => {
	printAside(describe(error).split('\n'));
	process.exitCode = 1;
});
