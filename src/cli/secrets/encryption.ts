import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, isAbsolute, join, resolve } from 'node:path';
import { backupEncoding } from '../../lib/server/backup/settings.ts';
import { LifeboatError } from '../../lib/server/errors.ts';
import { readSetting } from './dotenv.ts';
import { makeIdentity, recipientsIn } from './identity.ts';
import { shellWord } from '../terminal/text.ts';

/** An identity, and what it opens. */
export interface Encryption {
	/** The file with the identity: an absolute path. */
	file: string;
	/** Its public key. */
	recipient: string;
	/** False where it was there already. */
	made: boolean;
}

/**
 * Makes the identity that opens encrypted backups, outside of the project, or takes the one that is
 * there: none is ever overwritten. `recipients` is BACKUP_AGE_RECIPIENTS as it is set now.
 *
 * Throws LifeboatError, and then nothing was changed: `identity_missing` where backups are encrypted
 * for others than the identity here, `identity_kind`, `identity_unreadable` (400), and what is wrong
 * with the recipients.
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

/** What there is to know and to do once backups are encrypted, for people. */
export function explainEncryption({ file, recipient, made }: Encryption): string {
	const tool = isPostQuantum(recipient) ? 'age 1.3 or newer' : 'age';
	return `${made ? 'Made' : 'Kept'} the identity that opens encrypted backups, in
  ${file}
Its public key, for which the app encrypts:
  ${recipient}

Without the identity nobody can ever open a backup again. The app cannot: it has the public key alone,
which opens nothing. So keep a copy of that file now: in a password manager, or printed on paper in a
safe place. Keep one of TOTP_SECRET too, which shows that a backup is from your app. This machine must
not be the only place, as it may be lost. The repository and Cloudflare are no places for the identity:
who gets at the backups there is not to find it beside them.

Let the deployed app encrypt, from its next deployment on, with the public key as the value:
  npx wrangler pages secret put BACKUP_AGE_RECIPIENTS

npm run restore and npm run drill find the identity by AGE_IDENTITY_FILE in .env; with the copy on
another machine, give --identity FILE. Without Lifeboat, ${tool} opens a backup:
  age -d -i ${shellWord(file)} backup.sql.gz.age | gunzip | sqlite3 restored.db
`;
}

/** Where identities are kept: by the XDG Base Directory Specification, and out of every repository. */
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
		`BACKUP_AGE_RECIPIENTS in .env is set, and ${file} has no identity that opens what is encrypted for it. Nothing was changed.`,
		{
			code: 'identity_missing',
			status: 400,
			hint: 'If you have that identity, set AGE_IDENTITY_FILE in .env to its file. If it is lost, empty BACKUP_AGE_RECIPIENTS in .env: the next run makes another.',
		},
	);
}

function identityKind(file: string): LifeboatError {
	return new LifeboatError(`${file} is no post-quantum identity. Nothing was changed.`, {
		code: 'identity_kind',
		status: 400,
		hint: 'Older backups need it: keep it under another name, empty BACKUP_AGE_RECIPIENTS in .env, and run this again.',
	});
}
