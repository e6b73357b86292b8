import { messageOf } from '../../lib/server/errors.ts';
import { TOTP } from '../../lib/totp.js';
import { readEnvFile } from '../secrets/dotenv.ts';
import type { Ask } from '../terminal/ask.ts';
import { printAside } from '../terminal/print.ts';
import { type Configuration, DRILL, notReady } from './configuration.ts';

/** Throws `deploy_not_ready` (400) if `.env` has no valid TOTP_SECRET: strangers could not be told apart. */
export function requireSecret(): void {
	const { TOTP_SECRET: secret = '' } = readEnvFile();
	if (secret.trim() === '') throw notReady('TOTP_SECRET is not set in .env.', 'npm run setup');
	try {
		new TOTP(secret);
	} catch (error) {
		throw notReady(messageOf(error), null);
	}
}

/**
 * Backups are encrypted unless the person wants otherwise: by `--no-encrypt`, or when asked. Throws
 * `deploy_not_ready` (400).
 */
export async function requireEncryption(encrypt: boolean, ask: Ask | null): Promise<void> {
	if (readEnvFile()['BACKUP_AGE_RECIPIENTS']?.trim()) return;
	printAside(['Backups are not encrypted yet: BACKUP_AGE_RECIPIENTS in .env is empty.']);
	if (!encrypt) return;
	const answer = ask ? await ask('Go on without encryption? y/N (Enter: no) ') : '';
	if (/^y(es)?$/i.test(answer)) return;
	throw notReady(
		'Nothing was done. To go on without encryption, give --no-encrypt.',
		'npm run setup, which turns encryption on',
	);
}

/** The databases of a command line, `NAME=BINDING` each; without any, DB or the first one as `main`. */
export function databasesFrom(
	words: string[],
	configuration: Configuration,
): Record<string, string> {
	if (words.length > 0) return Object.fromEntries(words.map(readDatabase));
	const bindings = configuration.databases.map(({ binding }) => binding);
	const free = bindings.filter((binding) => binding !== DRILL);
	const main = free.find((binding) => binding === 'DB') ?? free[0];
	if (main === undefined) {
		throw notReady(`${configuration.file} has no D1 database.`, 'npx lifeboat init');
	}
	const others = free.filter((binding) => binding !== main);
	if (others.length > 0) {
		printAside([
			`Only ${main} is backed up, not ${others.join(', ')}: --database main=${main} --database NAME=BINDING for each.`,
		]);
	}
	return { main };
}

/** The binding of the bucket for backups: the usual one, or one that is called so. */
export function bucketFrom(word: string | undefined, configuration: Configuration): string {
	const { buckets, file } = configuration;
	const found =
		buckets.find(({ binding }) => binding === (word ?? 'MY_BUCKET')) ??
		buckets.find(({ binding, name }) => word === undefined && /backup/i.test(`${binding} ${name}`));
	if (found) return found.binding;
	throw notReady(
		`${file} has no R2 bucket bound to ${word ?? 'MY_BUCKET'}: --bucket names another binding.`,
		'npx lifeboat init',
	);
}

/** As `lifeboat({ databases })` names them. */
function readDatabase(word: string): [string, string] {
	const [, name, binding] = /^([\w-]{1,32})=(\w+)$/.exec(word) ?? [];
	if (name !== undefined && binding !== undefined) return [name, binding];
	throw notReady(`--database ${word}: give a name and a binding, such as main=DB.`, null);
}
