import type { EncodingName } from '../../lib/server/backup/format/names.ts';
import { openManifest, type OpenedManifest } from '../../lib/server/backup/format/signature.ts';
import { backupKeys } from '../../lib/server/backup/settings.ts';
import { LifeboatError } from '../../lib/server/errors.ts';
import type { Context } from '../terminal/command.ts';
import { readSetting } from './dotenv.ts';
import { readIdentities } from './identity.ts';

/** How a command line says what a backup is checked and opened with. */
export const KEY_OPTIONS = {
	identity: { type: 'string' },
	unsigned: { type: 'boolean', default: false },
} as const;

/** What {@link KEY_OPTIONS} are, for help. */
export const KEY_HELP = `  --identity FILE    opens an encrypted backup: an identity of age; otherwise AGE_IDENTITY_FILE from the
                     environment or .env
  --unsigned         take a backup also when its manifest is not signed by the app, which is checked
                     with BACKUP_MAC_KEY or TOTP_SECRET and TOTP_SECRET_PREVIOUS, found likewise`;

/** What was given for {@link KEY_OPTIONS}. */
export interface KeyOptions {
	identity?: string | undefined;
	unsigned: boolean;
}

/**
 * Reads a manifest and checks its MAC with the app's secrets. With `unsigned` it passes all the same,
 * with a warning.
 *
 * Throws `mac_key_missing` (400) where there is no secret to check it with, what is wrong with a
 * secret, `manifest_unsigned` and `manifest_forged` (422), `manifest_unreadable` (500).
 */
export function checkManifest(
	text: string,
	{ unsigned }: KeyOptions,
	{ progress }: Context,
): OpenedManifest {
	const keys = backupKeys({
		TOTP_SECRET: readSetting('TOTP_SECRET'),
		TOTP_SECRET_PREVIOUS: readSetting('TOTP_SECRET_PREVIOUS'),
		BACKUP_MAC_KEY: readSetting('BACKUP_MAC_KEY'),
	});
	if (keys.length === 0 && !unsigned) throw macKeyMissing();
	const opened = openManifest(text, keys, { unsigned });
	if (opened.key === null) progress.note(UNSIGNED);
	return opened;
}

/**
 * The identities that open what has these encodings: none where nothing is encrypted. Throws
 * `identity_needed` (400), `identity_unreadable` (400).
 */
export function identitiesFor(encodings: EncodingName[], { identity }: KeyOptions): string[] {
	if (!encodings.includes('age')) return [];
	const path = identity ?? readSetting('AGE_IDENTITY_FILE');
	if (path === '') throw identityNeeded();
	return readIdentities(path);
}

const UNSIGNED =
	'Warning: nothing shows that this backup is from your app. Whoever could write to the bucket, or to the file, may have made it and put anything into it. It is taken because of --unsigned.';

function macKeyMissing(): LifeboatError {
	return new LifeboatError('There is no secret here to check with that the backup is the app’s.', {
		code: 'mac_key_missing',
		status: 400,
		hint: 'Set TOTP_SECRET to the app’s own, or BACKUP_MAC_KEY where the app has that, in .env or in the environment. If both are lost and you know the backup for your own, give --unsigned.',
	});
}

function identityNeeded(): LifeboatError {
	return new LifeboatError('The backup is encrypted, and it takes an identity to open it.', {
		code: 'identity_needed',
		status: 400,
		hint: 'Give the file with the identity with --identity FILE or as AGE_IDENTITY_FILE.',
	});
}
