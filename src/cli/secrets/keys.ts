import type { EncodingName } from '../../lib/server/backup/format/names.ts';
import {
	type BackupKey,
	openManifest,
	type OpenedManifest,
} from '../../lib/server/backup/format/signature.ts';
import { BACKUP_SECRETS, backupKeys } from '../../lib/server/backup/settings.ts';
import { LifeboatError } from '../../lib/server/errors.ts';
import type { Context } from '../terminal/command.ts';
import { readSetting } from './dotenv.ts';
import { readIdentities } from './identity.ts';

/** The options for what verifies and opens a backup. */
export const KEY_OPTIONS = {
	identity: { type: 'string' },
	unsigned: { type: 'boolean', default: false },
	database: { type: 'string' },
} as const;

/** How help explains {@link KEY_OPTIONS}. */
export const KEY_HELP = `  --identity FILE    the age identity that opens an encrypted backup; otherwise AGE_IDENTITY_FILE from
                     the environment or .env
  --unsigned         accept a backup even if its manifest has no valid signature of the app, which is
                     checked with BACKUP_MAC_KEY and BACKUP_MAC_KEY_PREVIOUS, or if there is none with
                     TOTP_SECRET and TOTP_SECRET_PREVIOUS, from the environment or .env
  --database NAME    a backup of this database of the app; otherwise of its first one. One of another
                     database is refused`;

/** The values of {@link KEY_OPTIONS}. */
export interface KeyOptions {
	identity?: string | undefined;
	unsigned: boolean;
	/** The database that the backup has to be of; undefined for any. */
	database?: string | undefined;
}

/**
 * Reads a manifest and verifies its MAC with the app's secrets. With `unsigned` a manifest without a
 * valid MAC passes too, with a warning.
 *
 * Throws `mac_key_missing` (400) if there is no secret to verify it with, the error of an invalid
 * secret, `manifest_unsigned` and `manifest_forged` (422), `manifest_unreadable` (500), and
 * `other_database` (409).
 */
export function checkManifest(
	text: string,
	{ unsigned, database }: KeyOptions,
	{ progress }: Context,
): OpenedManifest {
	const keys = verificationKeys();
	if (keys.length === 0 && !unsigned) throw macKeyMissing();
	const opened = openManifest(text, keys, { unsigned });
	if (opened.key === null) progress.note(UNSIGNED);
	if (database !== undefined) requireDatabase(opened.manifest.database, database);
	return opened;
}

/** How manifests from before databases had names know the app's only one. */
const UNNAMED = 'DB';

/** Throws `other_database` (409) unless a backup is of this database. */
function requireDatabase(found: string, wanted: string): void {
	if (found === wanted || found === UNNAMED) return;
	throw new LifeboatError(
		`This is a backup of the database ${JSON.stringify(found)}, not of ${JSON.stringify(wanted)}.`,
		{
			code: 'other_database',
			status: 409,
			hint: 'Nothing was changed. Name another backup, or the database that this one is of with --database.',
		},
	);
}

/**
 * The keys of the app's secrets that are set here, by which manifests and proofs are verified; none
 * without a secret. Throws the error of an invalid secret.
 */
export function verificationKeys(): BackupKey[] {
	return backupKeys(Object.fromEntries(BACKUP_SECRETS.map((name) => [name, readSetting(name)])));
}

/**
 * The identities that open volumes with these encodings: none if nothing is encrypted. Throws
 * `identity_needed` and `identity_unreadable` (400).
 */
export function identitiesFor(encodings: EncodingName[], { identity }: KeyOptions): string[] {
	if (!encodings.includes('age')) return [];
	const path = identity ?? readSetting('AGE_IDENTITY_FILE');
	if (path === '') throw identityNeeded();
	return readIdentities(path);
}

const UNSIGNED =
	'Warning: nothing proves that this backup is from your app. Anyone who can write to the bucket, or to the file, may have made it, with any contents. It is accepted because of --unsigned.';

function macKeyMissing(): LifeboatError {
	return new LifeboatError("There is no secret here to verify that the backup is the app's.", {
		code: 'mac_key_missing',
		status: 400,
		hint: "Set TOTP_SECRET to the app's own, or BACKUP_MAC_KEY if the app has one, in .env or the environment. If both are lost and you are sure that the backup is yours, give --unsigned.",
	});
}

function identityNeeded(): LifeboatError {
	return new LifeboatError('The backup is encrypted, and opening it needs an identity.', {
		code: 'identity_needed',
		status: 400,
		hint: 'Give the file of the identity with --identity FILE or as AGE_IDENTITY_FILE.',
	});
}
