import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { isIdentity } from '../../lib/server/backup/storage/age-keys.ts';
import { LifeboatError } from '../../lib/server/errors.ts';

/** Only the owner has access. */
const FOLDER_MODE = 0o700;
const FILE_MODE = 0o600;

/** The beginning of a file that `age -p` has encrypted, in binary or as text. */
const ENCRYPTED = /^(age-encryption\.org\/|-----BEGIN AGE ENCRYPTED FILE-----)/;

/**
 * The identities in an age identity file: one a line, between comments. Throws `identity_unreadable`
 * (400), which never quotes the file.
 */
export function readIdentities(path: string): string[] {
	const text = readText(path);
	if (ENCRYPTED.test(text)) throw passphrase(path);
	const lines = text.split('\n').map((line) => line.trim());
	const identities = lines.filter((line) => line !== '' && !line.startsWith('#'));
	if (identities.length === 0) throw unreadable(`${path} has no identity in it.`);
	const bad = identities.findIndex((identity) => !isIdentity(identity));
	if (bad === -1) return identities;
	const number = lines.indexOf(identities[bad] ?? '') + 1;
	throw unreadable(`Line ${number} of ${path} is not an age identity.`);
}

/**
 * Makes an identity in a new file, in the format of age-keygen, and returns its public key. Throws
 * EEXIST rather than overwrite a file.
 */
export async function makeIdentity(path: string, postQuantum: boolean): Promise<string> {
	const age = await import('age-encryption');
	const identity = await (postQuantum
		? age.generateHybridIdentity()
		: age.generateX25519Identity());
	const recipient = await age.identityToRecipient(identity);
	const created = new Date().toISOString().replace(/\.\d+/, '');
	mkdirSync(dirname(path), { recursive: true, mode: FOLDER_MODE });
	writeFileSync(path, `# created: ${created}\n# public key: ${recipient}\n${identity}\n`, {
		mode: FILE_MODE,
		flag: 'wx',
		flush: true, // it must be on the disk before anything is encrypted for it
	});
	return recipient;
}

/** The public keys of the identities in a file. Throws `identity_unreadable` (400). */
export async function recipientsIn(path: string): Promise<string[]> {
	const { identityToRecipient } = await import('age-encryption');
	return Promise.all(readIdentities(path).map((identity) => identityToRecipient(identity)));
}

function readText(path: string): string {
	try {
		return readFileSync(path, 'utf8');
	} catch (cause) {
		const { code } = cause as NodeJS.ErrnoException;
		if (code === 'ENOENT') throw unreadable(`There is no identity ${path}.`, cause);
		throw unreadable(`The identity ${path} cannot be read (${code}).`, cause);
	}
}

function unreadable(message: string, cause?: unknown): LifeboatError {
	return new LifeboatError(message, {
		code: 'identity_unreadable',
		status: 400,
		hint: 'Give the file that `npm run setup` or `age-keygen` made, with --identity or as AGE_IDENTITY_FILE.',
		cause,
	});
}

function passphrase(path: string): LifeboatError {
	return new LifeboatError(`The identity ${path} is protected by a passphrase.`, {
		code: 'identity_unreadable',
		status: 400,
		hint: 'Decrypt it first with `age -d -o opened.agekey FILE`, give --identity opened.agekey, and delete that file afterwards.',
	});
}
