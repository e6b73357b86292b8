import { existsSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { asEnvText, valuesForCloudflare, valuesForGitHub } from '../secrets/places.ts';
import { usageError } from '../terminal/arguments.ts';
import { describe } from '../terminal/errors.ts';

const HELP = `Usage: npm run --silent secrets -- cloudflare | npx wrangler pages secret bulk
       npm run --silent secrets -- github | gh secret set --env lifeboat -f -

Prints the settings in .env that a place needs, in the form that its own tool reads from a pipe, so that
no secret has to be copied by hand or stands on a command line.

  cloudflare  every setting of the app that has a value, as JSON
  github      what the workflows need to call the app and to verify its backups, in the form of .env
`;

try {
	main();
} catch (error) {
	console.error(describe(error));
	process.exitCode = 1;
}

function main(): void {
	const options = { help: { type: 'boolean', short: 'h' } } as const;
	const { values, positionals } = parseArgs({ options, allowPositionals: true });
	if (values.help) return console.log(HELP);
	const [place, ...others] = positionals;
	if (others.length > 0 || (place !== 'cloudflare' && place !== 'github')) {
		throw usageError('secrets', 'Say for which place: cloudflare or github.');
	}
	if (!existsSync('.env')) throw usageError('secrets', 'There is no .env here: npm run setup.');
	if (process.stdout.isTTY) throw usageError('secrets', 'It prints secrets: pipe it.');
	console.log(
		place === 'cloudflare' ? JSON.stringify(valuesForCloudflare()) : asEnvText(valuesForGitHub()),
	);
}
