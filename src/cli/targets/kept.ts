import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { backupEncoding } from '../../lib/server/backup/settings.ts';
import { encryptedStream } from '../../lib/server/backup/storage/age.ts';
import { LifeboatError } from '../../lib/server/errors.ts';
import { readSetting } from '../secrets/dotenv.ts';

/** Only the owner reads and writes. */
const MODE = 0o600;

/** What the name of an encrypted file ends with. */
const ENCRYPTED = '.age';

/**
 * The age public keys for which a restore encrypts what it keeps: BACKUP_AGE_RECIPIENTS from the environment
 * or `.env`; none if that is not set. Throws `backup_age_recipients_invalid` and `_mixed` (500).
 */
export function keptRecipients(): string[] {
	const name = 'BACKUP_AGE_RECIPIENTS';
	return backupEncoding({ [name]: readSetting(name) }).recipients;
}

/** The end of the name of a file that is kept for these recipients. */
export function endingFor(recipients: string[]): string {
	return recipients.length > 0 ? ENCRYPTED : '';
}

/** What the command that takes this file back needs beside its name: the identity, if no setting names it. */
export function identityOption(file: string): string {
	const isNamed = readSetting('AGE_IDENTITY_FILE') !== '';
	return file.endsWith(ENCRYPTED) && !isNamed ? ' --identity FILE' : '';
}

/**
 * Writes a new private file, encrypted if there are recipients, and reads it again: when this returns, the
 * disk has every byte. Otherwise it leaves no file. Throws `kept_incomplete` (500), EEXIST rather than
 * overwrite a file, and what reading the source throws.
 */
export async function writeKept(
	path: string,
	source: AsyncIterable<Uint8Array>,
	recipients: string[],
): Promise<void> {
	const file = await open(path, 'wx', MODE);
	try {
		const written = createHash('sha256');
		const bytes = recipients.length > 0 ? encryptedStream(source, recipients) : source;
		await pipeline(hashed(bytes, written), file.createWriteStream({ flush: true })); // it is about to be needed
		const stored = createHash('sha256');
		await pipeline(createReadStream(path), stored);
		if (!stored.digest().equals(written.digest())) throw incomplete(path);
	} catch (error) {
		await rm(path, { force: true });
		throw error;
	}
}

async function* hashed(bytes: AsyncIterable<Uint8Array>, hash: Hash) {
	for await (const chunk of bytes) {
		hash.update(chunk);
		yield chunk;
	}
}

function incomplete(path: string): LifeboatError {
	return new LifeboatError(`${path} does not hold what was written to it. Nothing was changed.`, {
		code: 'kept_incomplete',
		status: 500,
		hint: 'The disk or its file system loses data: restore on another one.',
	});
}
