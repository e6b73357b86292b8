import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { databaseError } from '../../lib/server/backup/database.ts';
import { LifeboatError } from '../../lib/server/errors.ts';
import { type Context, runCommand } from '../terminal/command.ts';
import { EXIT } from '../terminal/errors.ts';
import { parseArguments, usageError } from '../terminal/arguments.ts';
import { type Finding, measureReads, measureWrites } from '../doctor/measure.ts';
import { EmbeddedDatabase } from '../embedded/database.ts';
import { STATE } from '../embedded/state.ts';
import { connectRemote } from '../targets/remote.ts';
import { print, printJson } from '../terminal/print.ts';
import { formatTable } from '../terminal/text.ts';

const HELP = `Usage: npm run doctor -- <database> [options]

Measures what backups rely on: that a database's change counter, bookmark and size stay the same while
it is only read, and, with --write, that a write changes them. Without --write nothing in the database
is changed. Run it while nothing else writes to the database.

<database>
  local              the app's embedded database, in .wrangler/state; local:FOLDER for another folder
  remote:NAME        the D1 database NAME on Cloudflare; needs \`npx wrangler login\`

Options
  --binding NAME     with local: which D1 binding of wrangler's configuration, if it has several
  --write            write too, to a table named lifeboat_doctor_…, which is dropped again
  --wait SECONDS     how long to wait before the last read; 15 by default
  --json             print one JSON object on standard output, and nothing else there
  --help             show this

Examples
  npm run doctor -- remote:lifeboat
  npm run doctor -- remote:lifeboat-drill --write

Exit codes: 0 backups can rely on it; 1 backups cannot rely on it; 2 it could not be measured.
`;

const OPTIONS = {
	binding: { type: 'string' },
	write: { type: 'boolean', default: false },
	wait: { type: 'string', default: '15' },
	json: { type: 'boolean', default: false },
	help: { type: 'boolean', short: 'h' },
} as const;

interface Request {
	database: string;
	binding: string | undefined;
	write: boolean;
	waitMs: number;
	json: boolean;
}

/** Reads the command line; null for --help. Throws `usage` (400). */
function readRequest(): Request | null {
	const { values, positionals } = parseArguments('doctor', OPTIONS);
	if (values.help) return null;
	const [database] = positionals;
	if (database === undefined || positionals.length > 1) {
		throw usageError('doctor', 'Give one database: local, local:FOLDER or remote:NAME.');
	}
	const { binding, write, wait, json } = values;
	if (!/^\d{1,3}$/.test(wait)) throw usageError('doctor', '--wait takes seconds, from 0 to 999.');
	return { database, binding, write, waitMs: Number(wait) * 1000, json };
}

/** Connects to a database by its word. Throws `usage` (400), `database_not_found` (404). */
async function connect(
	{ database: word, binding }: Request,
	context: Context,
): Promise<EmbeddedDatabase> {
	const [, kind, rest] = /^(local|remote)(?::(.+))?$/s.exec(word) ?? [];
	if (kind === 'remote' && rest) return connectRemote(rest, context);
	if (kind !== 'local') {
		const named = JSON.stringify(word);
		throw usageError(
			'doctor',
			`${named} is not a database: use local, local:FOLDER or remote:NAME.`,
		);
	}
	const persistTo = rest ?? STATE;
	const database = new EmbeddedDatabase({ kind: 'configured', persistTo, binding });
	if (existsSync(await database.file)) return database;
	throw new LifeboatError(`There is no local database in ${persistTo}.`, {
		code: 'database_not_found',
		status: 404,
		hint: 'Make it with `npm run migrate`, or name its folder.',
	});
}

async function measure(request: Request, context: Context): Promise<Finding[]> {
	const { waitMs, write } = request;
	const { signal, progress } = context;
	await using database = await connect(request, context);
	try {
		progress.step(`doctor: read, and wait for ${waitMs / 1000} s`);
		const wait = async (ms: number) => void (await sleep(ms, null, { signal }));
		const findings = await measureReads(database, { waitMs, sleep: wait });
		signal.throwIfAborted();
		if (write) findings.push(...(await measureWrites(database)));
		return findings;
	} catch (error) {
		signal.throwIfAborted();
		throw databaseError(error);
	} finally {
		progress.clear();
	}
}

await runCommand(async (context) => {
	const request = readRequest();
	if (request === null) {
		print(HELP.split('\n'));
		return EXIT.good;
	}
	const findings = await measure(request, context);
	const good = findings.every((finding) => finding.good);
	if (request.json) {
		printJson({ database: request.database, good, findings });
	} else {
		const rows = findings.map(({ what, result, means, good: isGood }) => [
			isGood ? 'ok' : 'NOT OK',
			what,
			result,
			means,
		]);
		print(formatTable(['', 'measured', 'result', 'means'], rows));
	}
	return good ? EXIT.good : EXIT.differs;
});
