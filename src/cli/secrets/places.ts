import { readFileSync } from 'node:fs';
import { LifeboatError } from '../../lib/server/errors.ts';
import { parseEnv, readEnvFile } from './dotenv.ts';

const EXAMPLE = new URL('../../../.env.example', import.meta.url);

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

/** Values of settings by name; none is empty. */
export type Values = Record<string, string>;

/** Every setting of the app that has a value in `.env`. */
export function valuesForCloudflare(): Values {
	const names = Object.keys(parseEnv(readFileSync(EXAMPLE, 'utf8')));
	return given(names.filter((name) => !NOT_FOR_CLOUDFLARE.includes(name)));
}

/** What the workflows need of `.env` to call the app and to verify its backups. */
export function valuesForGitHub(): Values {
	return given(FOR_GITHUB);
}

/** Values in the form of `.env`, as `gh secret set -f -` reads it. Throws `usage` (400) for a quote. */
export function asEnvText(values: Values): string {
	const lines = Object.entries(values).map(([name, value]) => {
		if (!value.includes("'")) return `${name}='${value}'`; // taken as it stands
		throw new LifeboatError(
			`${name} has a quote: give it to gh secret set ${name} --env lifeboat.`,
			{ code: 'usage', status: 400, hint: '' },
		);
	});
	return lines.join('\n');
}

/** Those of these settings that have a value in .env. */
function given(names: string[]): Values {
	const values = Object.entries(readEnvFile()).map(
		([name, value]) => [name, value.trim()] as const,
	);
	return Object.fromEntries(values.filter(([name, value]) => names.includes(name) && value));
}
