import { type Manifest, sqlBytesOf } from '../../lib/server/backup/format/manifest.ts';
import { backupOfFile, isVolume, manifestKey } from '../../lib/server/backup/format/names.ts';
import { openParent, type Parent } from '../../lib/server/backup/format/parent.ts';
import type { OpenedManifest } from '../../lib/server/backup/format/signature.ts';
import { type BackupFiles, sqlOf } from '../../lib/server/backup/prove/files.ts';
import type { SqlSource } from '../../lib/server/backup/restore/source.ts';
import { LifeboatError } from '../../lib/server/errors.ts';
import type { Foreign } from './foreign.ts';
import { checkManifest, identitiesFor, type KeyOptions } from '../secrets/keys.ts';
import type { Context } from '../terminal/command.ts';

/** A backup that can be read on this machine. */
export interface Backup {
	/** Its name, or the path of its file. */
	name: string;
	sql: SqlSource;
	/** Bytes of SQL; 0 if they are unknown until the backup has been read. */
	totalBytes: number;
	/** Null for a file without a manifest. */
	files: BackupFiles | null;
	/** What is known of a file that another program wrote; null for a backup of Lifeboat. */
	foreign: Foreign | null;
}

/** What is known of a backup's files before its parent is looked for. */
export type OpenedFiles = OpenedManifest & { identities: string[] };

/** True for `latest`, and for what has the form of a backup's name. */
export function isBackupName(word: string): boolean {
	return word === 'latest' || backupOfFile(manifestKey(word)) === word;
}

/**
 * Checks the text of a manifest, and finds the identities that open its volumes. `name` is the backup
 * that was asked for, null if any will do. Throws what {@link readManifestOf} and {@link identitiesFor}
 * throw.
 */
export function readManifest(
	text: string,
	name: string | null,
	keys: KeyOptions,
	context: Context,
): OpenedFiles {
	const opened = readManifestOf(text, name, keys, context);
	const { manifest } = opened;
	const encodings = manifest.volumes.flatMap((volume) => volume.encodings);
	return { ...opened, identities: identitiesFor(encodings, keys) };
}

/**
 * Checks the text of a manifest. `name` is the backup that was asked for, null if any will do: an older
 * backup's manifest has a valid signature too. Throws `manifest_unreadable` (500) for another backup's
 * manifest, `differential_unsigned` (422) for a differential with --unsigned, and what {@link checkManifest}
 * throws.
 */
export function readManifestOf(
	text: string,
	name: string | null,
	keys: KeyOptions,
	context: Context,
): OpenedManifest {
	const opened = checkManifest(text, keys, context);
	if (name !== null && opened.manifest.name !== name) throw foreign(opened.manifest.name);
	if (opened.manifest.parent !== null && keys.unsigned) throw unsignedDifferential(opened.manifest);
	return opened;
}

/**
 * Checks the text of the manifest of a differential's parent, undefined if it is missing. Returns why there
 * is none to be had. Throws what {@link checkManifest} throws but about the manifest.
 */
export function readParent(
	manifest: Manifest,
	text: string | undefined,
	keys: KeyOptions,
	context: Context,
): Parent {
	return openParent(manifest, text, (found) => {
		const opened = checkManifest(found, keys, context);
		for (const { key } of opened.manifest.volumes) requireOwn(opened.manifest, key);
		return opened;
	});
}

/** The backup in these files. */
export function fromFiles(name: string, files: BackupFiles): Backup {
	const totalBytes = sqlBytesOf(files.manifest);
	return { name, sql: sqlOf(files), totalBytes, files, foreign: null };
}

/**
 * Throws `manifest_unreadable` (500) unless a volume has a name that Lifeboat gives, which is not a
 * path: a manifest may come from anywhere.
 */
export function requireOwn({ name }: Manifest, key: string): void {
	if (backupOfFile(key) !== name || !isVolume(key)) throw foreign(key);
}

function foreign(name: string): LifeboatError {
	return new LifeboatError(
		`The manifest belongs to another backup: it names ${JSON.stringify(name)}.`,
		{
			code: 'manifest_unreadable',
			status: 500,
			hint: 'It was changed: use another backup.',
		},
	);
}

/** The parent's name is only believed as far as a manifest's signature goes. */
function unsignedDifferential({ parent }: Manifest): LifeboatError {
	return new LifeboatError('A differential is not restored with --unsigned.', {
		code: 'differential_unsigned',
		status: 422,
		hint: `Leave out --unsigned, or restore ${parent}, the full backup on which it rests.`,
	});
}

/** `backup_not_found` (404). */
export function noBackup(): LifeboatError {
	return new LifeboatError('The app has no backup yet.', {
		code: 'backup_not_found',
		status: 404,
		hint: 'Make one: npm run backup.',
	});
}
