import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, isAbsolute, join, resolve } from 'node:path';
import { backupEncoding } from '../../lib/server/backup/settings.ts';
import { LifeboatError } from '../../lib/server/errors.ts';
import { readSetting } from './dotenv.ts';
import { makeIdentity, readIdentities, recipientsIn } from './identity.ts';
import type { Ask } from '../terminal/ask.ts';
import { print, printAside } from '../terminal/print.ts';

/** An age identity on this machine. */
export interface Encryption {
	/** The absolute path of its file. */
	file: string;
	/** Its public key. */
	recipient: string;
	/** False if it existed before. */
	made: boolean;
}

/**
 * Makes the identity that opens encrypted backups, outside the project, or returns the existing one,
 * which is never overwritten. `recipients` is the current BACKUP_AGE_RECIPIENTS.
 *
 * Throws without a change: `identity_missing` if backups are encrypted for other identities than the
 * one here, `identity_kind`, `identity_unreadable` (400), and the error of invalid recipients.
 */
export async function setUpEncryption(
	recipients: string,
	postQuantum: boolean,
): Promise<Encryption> {
	const { recipients: given } = backupEncoding({ BACKUP_AGE_RECIPIENTS: recipients });
	const file = resolve(readSetting('AGE_IDENTITY_FILE') || usualFile());
	if (!existsSync(file)) {
		if (given.length > 0) throw identityMissing(file);
		return { file, recipient: await makeIdentity(file, postQuantum), made: true };
	}
	const own = await recipientsIn(file);
	const [recipient = ''] = own;
	if (given.length > 0 && !own.some((key) => given.includes(key))) throw identityMissing(file);
	if (postQuantum && !isPostQuantum(recipient)) throw identityKind(file);
	return { file, recipient, made: false };
}

/** How many characters of the identity show that somebody has a copy of it. */
const SHOWN = 6;

/**
 * Whether the person has stored a copy of the identity, without which nothing may be encrypted for it:
 * they state the end of their copy. Without a terminal they `claim` it, which cannot be true of an
 * identity that was made just now.
 */
export async function confirmCopy(
	{ file, made }: Encryption,
	claim: boolean,
	ask: Ask | null,
): Promise<boolean> {
	if (claim && !made) return true;
	if (ask === null) return false;
	const [identity = ''] = readIdentities(file);
	print([...KEEP, `  ${file}`, '']);
	for (;;) {
		const answer = await ask(`The last ${SHOWN} characters of the copy (Enter: not yet) `);
		if (answer === '') return false;
		if (answer.toUpperCase().slice(-SHOWN) === identity.slice(-SHOWN)) return true;
		printAside(['The identity ends with others.']);
	}
}

const KEEP = [
	'This identity opens the backups. Without it nobody can ever open one again, not even the app, which has',
	'only the public key. This machine may be lost: store a copy now, in a password manager or printed on',
	'paper in a safe place. Keep it out of the repository and off Cloudflare.',
];

/** What to do if there is no copy yet. */
export function explainMissingCopy(file: string): string {
	return `Backups are not encrypted yet.

${KEEP.join('\n')}
  ${file}
Then turn encryption on: npm run setup -- --identity-copied`;
}

/** What the person must know once backups are encrypted. */
export function explainEncryption({ file, recipient }: Encryption): string {
	const tool = isPostQuantum(recipient) ? 'age 1.3 or newer' : 'age';
	return `Backups are encrypted for
  ${recipient}
and opened by the identity in
  ${file}
which npm run restore and npm run drill find by AGE_IDENTITY_FILE in .env. On another machine, give a
copy with --identity FILE. Without Lifeboat, ${tool} opens a backup, as docs/restore.md says under
"With standard tools alone".
`;
}

/** The default place: by the XDG Base Directory Specification, and outside every repository. */
function usualFile(): string {
	const base = process.env['XDG_CONFIG_HOME'] ?? '';
	const folder = isAbsolute(base) ? base : join(homedir(), '.config');
	const app = process.env['npm_package_name'] ?? basename(process.cwd());
	return join(folder, 'lifeboat', `${app.replace(/[^\w.-]+/g, '-')}.agekey`);
}

function isPostQuantum(recipient: string): boolean {
	return recipient.startsWith('age1pq1');
}

function identityMissing(file: string): LifeboatError {
	return new LifeboatError(
		`BACKUP_AGE_RECIPIENTS in .env is set, but ${file} has no identity that opens what is encrypted for it. Nothing was changed.`,
		{
			code: 'identity_missing',
			status: 400,
			hint: 'If you have that identity, set AGE_IDENTITY_FILE in .env to its path. If it is lost, clear BACKUP_AGE_RECIPIENTS in .env: the next run makes another one.',
		},
	);
}

function identityKind(file: string): LifeboatError {
	return new LifeboatError(`${file} is not a post-quantum identity. Nothing was changed.`, {
		code: 'identity_kind',
		status: 400,
		hint: 'Older backups need it: rename the file, clear BACKUP_AGE_RECIPIENTS in .env, and run this again.',
	});
}
