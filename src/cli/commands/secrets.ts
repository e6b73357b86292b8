import { existsSync, readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { parseEnv, readEnvFile } from '../secrets/dotenv.ts';
import { usageError } from '../terminal/arguments.ts';
import { describe } from '../terminal/errors.ts';

const EXAMPLE = new URL('../../../.env.example', import.meta.url);

const HELP = `Usage: npm run --silent secrets -- cloudflare | npx wrangler pages secret bulk
       npm run --silent secrets -- github | gh secret set --env lifeboat -f -

Prints the settings in .env that a place needs, in the form that its own tool reads from a pipe, so that
no secret has to be copied by hand or stands on a command line.

  cloudflare  every setting of the app that has a value, as JSON
  github      what the workflows need to call the app and to verify its backups, in the form of .env
`;

/** Of the settings in .env.example, those of this machine alone. */
const NOT_FOR_CLOUDFLARE = [
	...['AGE_IDENTITY_FILE', 'BACKUP_URL'],
	...['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN', 'AWS_REGION'],
];

/** What the workflows use, without the identity, which is a file. */
const FOR_GITHUB = [
	'TOTP_SECRET',
	'TOTP_SECRET_PREVIOUS',
	'BACKUP_MAC_KEY',
	'BACKUP_MAC_KEY_PREVIOUS',
	'BACKUP_MAC_KEY_PREVIOUS_UNTIL',
	'BACKUP_API_KEY',
];

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
	console.log(place === 'cloudflare' ? forCloudflare() : forGitHub());
}

function forCloudflare(): string {
	const names = Object.keys(parseEnv(readFileSync(EXAMPLE, 'utf8')));
	return JSON.stringify(given(names.filter((name) => !NOT_FOR_CLOUDFLARE.includes(name))));
}

function forGitHub(): string {
	const lines = Object.entries(given(FOR_GITHUB)).map(([name, value]) => {
		if (!value.includes("'")) return `${name}='${value}'`; // taken as it stands
		throw usageError(
			'secrets',
			`${name} has a quote: give it to gh secret set ${name} --env lifeboat.`,
		);
	});
	return lines.join('\n');
}

/** Those of these settings that have a value in .env. */
function given(names: string[]): Record<string, string> {
	const values = Object.entries(readEnvFile()).map(
		([name, value]) => [name, value.trim()] as const,
	);
	return Object.fromEntries(values.filter(([name, value]) => names.includes(name) && value));
}
