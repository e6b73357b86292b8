import { fileURLToPath } from 'node:url';
import { readConfiguration } from '../deploy/configuration.ts';
import { planSteps } from '../deploy/plan.ts';
import { bucketFrom, databasesFrom, requireEncryption, requireSecret } from '../deploy/ready.ts';
import type { Deployment } from '../deploy/step.ts';
import { preview, walk } from '../deploy/walk.ts';
import { parseArguments, usageError } from '../terminal/arguments.ts';
import { withTerminal } from '../terminal/ask.ts';
import { type Context, runCommand } from '../terminal/command.ts';
import { EXIT } from '../terminal/errors.ts';
import { print } from '../terminal/print.ts';
import { run } from '../terminal/run.ts';

const EXTENSION = import.meta.filename.endsWith('.ts') ? 'ts' : 'js';
const DRILL = fileURLToPath(new URL(`drill.${EXTENSION}`, import.meta.url));

/** How long a new deployment may take to answer. */
const PATIENCE_MS = 90_000;

const HELP = `Usage: npm run setup -- --deploy [--yes]
       npm run deploy -- [options]

Takes the app in the current folder to a proven backup on Cloudflare, by wrangler and gh: makes the D1
database and the R2 bucket, locks the backups, sends the secrets in .env, applies migrations, builds and
deploys, sets up GitHub's workflows, makes the first backup, restores it on this machine, and records the
proof. It prints each command and asks before it runs it. What is done already is skipped, so after a
failure run it again. It never replaces a secret that somebody else has set. Write .env first:
npm run setup.

Options
  --yes              do not ask
  --dry-run          show what it would do, and change nothing
  --database N=B     a database to back up: its name for \`lifeboat()\` and its binding, such as main=DB; once
                     for each, the first one first. Otherwise DB, or the first in wrangler's configuration
  --bucket BINDING   the bucket for backups; otherwise MY_BUCKET, or one with backup in its name
  --branch NAME      Pages: the production branch; otherwise main
  --no-github        leave GitHub out
  --no-encrypt       go on although backups are not encrypted
  --help             show this

Exit codes: 0 all steps are done; 1 a step failed or was refused; 2 it did not begin.
`;

const OPTIONS = {
	yes: { type: 'boolean', default: false },
	'dry-run': { type: 'boolean', default: false },
	database: { type: 'string', multiple: true, default: [] as string[] },
	bucket: { type: 'string' },
	branch: { type: 'string', default: 'main' },
	'no-github': { type: 'boolean', default: false },
	'no-encrypt': { type: 'boolean', default: false },
	help: { type: 'boolean', short: 'h' },
} as const;

type Request = ReturnType<typeof readRequest>;

/** Throws `usage` (400). */
function readRequest() {
	const { values, positionals } = parseArguments('deploy', OPTIONS);
	if (positionals.length > 0) throw usageError('deploy', `What is ${positionals.join(' ')}?`);
	return values;
}

async function prepare(request: Request, { signal, progress }: Context): Promise<Deployment> {
	const configuration = await readConfiguration();
	return {
		run: ([program = '', ...args], input) =>
			run(program, args, { signal, ...(input !== undefined && { input }) }),
		...{ signal, progress, drill: DRILL },
		isPages: configuration.isPages,
		...{ branch: request.branch, github: !request['no-github'] },
		databases: databasesFrom(request.database, configuration),
		bucket: bucketFrom(request.bucket, configuration),
		patience: request['dry-run'] ? 0 : PATIENCE_MS,
		deployedAt: null,
	};
}

await runCommand(async (context) => {
	const request = readRequest();
	if (request.help) {
		print(HELP.split('\n'));
		return EXIT.good;
	}
	requireSecret();
	const plan = async () => planSteps(await prepare(request, context));
	if (request['dry-run']) return preview(await plan(), context.signal);
	return withTerminal(async (terminal) => {
		const ask = request.yes ? null : terminal;
		if (!ask && !request.yes) {
			throw usageError('deploy', 'There is no terminal to ask on: give --yes, or --dry-run.');
		}
		await requireEncryption(!request['no-encrypt'], ask);
		return walk(await plan(), ask, context.signal);
	});
});
