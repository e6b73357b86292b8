import { basename } from 'node:path';
import { backupOfFile, KINDS, manifestKey } from '../../lib/server/backup/format/names.ts';
import { LifeboatError } from '../../lib/server/errors.ts';
import { DetailedError } from '../terminal/errors.ts';

/*
 * Files without a manifest: nothing proves where they are from. One that calls itself a backup of the app
 * is not believed.
 */

/** The first line of a backup (docs/format.md). */
const TITLE = /^(?:\ufeff)?\s*-- Lifeboat (?:full|incremental) backup of .*, (\S+)[^\S\n]*\n/;

/**
 * The backups of which a file may be one, by its first line, given its first bytes: the SQL of a differential
 * is that of a full backup. None if the line names none.
 */
export function namesInTitle(head: Uint8Array): string[] {
	const [, time = ''] = TITLE.exec(Buffer.from(head).toString('utf8')) ?? [];
	const names = KINDS.map((kind) => `${kind}_backup_${time}`);
	return names.filter((name) => backupOfFile(manifestKey(name)) === name);
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
 * `manifest_missing` (404): a file calls itself a backup of Lifeboat, and nothing proves it. `names` are those that it
 * may be, `reasons` say why the app did not give the manifest.
 */
export function manifestMissing(path: string, names: string[], reasons: string[]): DetailedError {
	const file = names.length === 0 ? 'its manifest' : names.map(manifestKey).join(' or ');
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
