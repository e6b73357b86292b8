import { basename } from 'node:path';
import { backupOfFile, manifestKey } from '../../lib/server/backup/format/names.ts';
import { LifeboatError } from '../../lib/server/errors.ts';
import { DetailedError } from '../terminal/errors.ts';

/*
 * Files without a manifest: nothing proves where they are from. One that calls itself a backup of the app
 * is not believed.
 */

/** The first line of a backup (docs/format.md). */
const TITLE = /^(?:\ufeff)?\s*-- Lifeboat (full|incremental) backup of .*, (\S+)[^\S\n]*\n/;

/** The backup that a file calls itself in its first line, given its first bytes; null if it names none. */
export function nameInTitle(head: Uint8Array): string | null {
	const [, kind, time] = TITLE.exec(Buffer.from(head).toString('utf8')) ?? [];
	const name = `${kind}_backup_${time}`;
	return backupOfFile(manifestKey(name)) === name ? name : null;
}

/** Whether a file is named as what a restore on this machine has kept: such a file never has a manifest. */
export function mayStandAlone(path: string): boolean {
	return /^before-restore-.*\.sql(\.age)?$/s.test(basename(path));
}

/** The warning about any file that stands alone. */
export function withoutProof(path: string): string {
	return `Warning: nothing proves where ${path} is from, as it has no signed manifest. Its maker decides what it holds, accounts and sessions included.`;
}

/**
 * `manifest_missing` (404): a file calls itself a backup of Lifeboat, and nothing proves it. `reasons` say
 * why the app did not give the manifest.
 */
export function manifestMissing(
	path: string,
	name: string | null,
	reasons: string[],
): DetailedError {
	const file = name === null ? 'its manifest' : manifestKey(name);
	const error = new LifeboatError(
		`${path} is a backup of Lifeboat without its manifest, which proves that your app made it. Nothing was changed.`,
		{
			code: 'manifest_missing',
			status: 404,
			hint: `Put ${file} into the same folder, or set BACKUP_URL or --from to the app that has it. If you know in some other way that the file is yours, give --unsigned.`,
		},
	);
	return new DetailedError(
		error,
		reasons.map((reason) => `It could not be fetched: ${reason}`),
	);
}
