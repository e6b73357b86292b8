import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, isAbsolute, join, resolve } from 'node:path';
import { backupEncoding } from '../../lib/server/backup/settings.ts';
import { LifeboatError } from '../../lib/server/errors.ts';
import { readSetting } from './dotenv.ts';
import { makeIdentity, recipientsIn } from './identity.ts';
import { shellWord } from '../terminal/text.ts';

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

/** What the user must know and do once backups are encrypted. */
export function explainEncryption({ file, recipient, made }: Encryption): string {
	const tool = isPostQuantum(recipient) ? 'age 1.3 or newer' : 'age';
	return `${made ? 'Made' : 'Kept'} the identity that opens encrypted backups, in
  ${file}
Its public key, for which the app encrypts:
  ${recipient}

Without the identity nobody can ever open a backup again, not even the app: it has only the public key,
which opens nothing. So copy that file now, into a password manager or printed on paper in a safe place.
This machine may be lost. Copy TOTP_SECRET too, which proves that a backup is from your app. Keep the
identity out of the repository and off Cloudflare: anyone who gets at the backups there must not find
the key next to them.

To make the deployed app encrypt, set the public key and deploy again:
  npx wrangler pages secret put BACKUP_AGE_RECIPIENTS

npm run restore and npm run drill find the identity by AGE_IDENTITY_FILE in .env. On another machine,
give the copy with --identity FILE. Without Lifeboat, ${tool} opens a backup:
  age -d -i ${shellWord(file)} backup.sql.gz.age | gunzip | sqlite3 restored.db
with zstd -d instead of gunzip if the file ends in .sql.zst.age.
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
