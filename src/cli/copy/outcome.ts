import type { ListedBackup } from '../../lib/server/backup/format/manifest.ts';
import { isDamage } from '../../lib/server/backup/prove/damage.ts';
import { LifeboatError } from '../../lib/server/errors.ts';
import { DetailedError } from '../terminal/errors.ts';
import { type Checked, copyBackup, isAboutManifest } from './backup.ts';
import type { Copying } from './files.ts';

/**
 * What became of a backup. `copied` and `there` are good; `refused`: the app's manifest is not its own;
 * `damaged`: what the app has is not what its manifest says; `differs`: the destination has other bytes.
 */
export type Result = 'copied' | 'there' | 'refused' | 'damaged' | 'differs';

/** A line of the report. */
export interface Outcome {
	backup: string;
	/** Stored bytes of its volumes; null if they are unknown. */
	bytes: number | null;
	/** What was compared; null if the backup is not good. */
	checked: Checked | null;
	result: Result;
	/** What is wrong, as sentences. */
	details: string[];
}

/** Codes, besides damage, of errors that are about one backup: the others are copied all the same. */
const OF_BACKUP = [
	...['backup_differs', 'backup_not_found', 'copy_differs'],
	...['restore_refused', 'sql_refused', 'statement_not_allowed'],
];

/** Copies a backup, and tells what became of it. Throws what keeps the others from being copied too. */
export async function outcomeOf(
	backup: string,
	listed: ListedBackup | null,
	copying: Copying,
): Promise<Outcome> {
	try {
		const { bytes, checked, isNew, problems } = await copyBackup(backup, listed, copying);
		const details = problems.map(({ text }) => text);
		const good = isNew ? 'copied' : 'there';
		const bad = problems.some(({ of }) => of === 'copy') ? 'differs' : 'damaged';
		const result = problems.length === 0 ? good : bad;
		return { backup, bytes, checked, result, details };
	} catch (error) {
		copying.context.signal.throwIfAborted();
		if (!isOfBackup(error)) throw error;
		const more = error instanceof DetailedError ? error.details : [];
		const details = [error.message, ...more];
		return { backup, bytes: null, checked: null, result: resultOf(error), details };
	}
}

function isOfBackup(error: unknown): error is LifeboatError {
	if (isAboutManifest(error) || isDamage(error)) return true;
	return error instanceof LifeboatError && OF_BACKUP.includes(error.code);
}

function resultOf(error: LifeboatError): Result {
	if (error.code === 'copy_differs') return 'differs';
	return isAboutManifest(error) ? 'refused' : 'damaged';
}
