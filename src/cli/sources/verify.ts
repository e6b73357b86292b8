import { compareCores } from '../../lib/server/backup/format/digest.ts';
import { shorten } from '../../lib/server/backup/format/proof.ts';
import { verifyFiles } from '../../lib/server/backup/prove/verify.ts';
import type { SqlSource } from '../../lib/server/backup/restore/source.ts';
import {
	refuseOtherStatements,
	refuseReservedNames,
	type Survey,
	survey,
} from '../../lib/server/backup/restore/survey.ts';
import { LifeboatError } from '../../lib/server/errors.ts';
import type { Context } from '../terminal/command.ts';
import { DetailedError } from '../terminal/errors.ts';
import type { Backup } from './backup.ts';
import { placeOf, printPlace } from './place.ts';
import { rehearseDefinitions } from './rehearse.ts';

/**
 * Verifies a backup as far as that is possible without restoring it, and returns what it contains.
 * Throws `parent_missing` and `parent_differs` (422), `backup_differs` (422) with the differences, `restore_refused`, `statement_not_allowed` and
 * `sql_refused` (422) for statements that no backup contains, and what reading the backup throws.
 */
export async function verifyBackup(
	{ files, sql, name, totalBytes }: Backup,
	{ progress }: Context,
): Promise<Survey> {
	if (files?.parent instanceof LifeboatError) throw files.parent;
	progress.step(`verify: ${name}`);
	const onProgress = (bytes: number) => progress.bytes(bytes, totalBytes);
	const found = files ? await verifyFiles(files, onProgress) : await verifyFile(sql, onProgress);
	progress.clear();
	const { survey: contents, differences } = found;
	if (contents === null || differences.length > 0) throw damaged(name, differences);
	refuseReservedNames(contents);
	await refuseOthers(contents, name, sql);
	rehearseDefinitions(contents);
	return contents;
}

async function refuseOthers(contents: Survey, name: string, sql: SqlSource): Promise<void> {
	if (contents.notAllowed === null) return;
	const place = await placeOf(sql, contents.notAllowed.start);
	refuseOtherStatements(contents, `The statement at ${printPlace(place)} of ${name}`);
}

async function verifyFile(
	sql: SqlSource,
	onProgress: (bytes: number) => void,
): Promise<{ survey: Survey; differences: string[] }> {
	const found = await survey(sql, onProgress);
	const { core, tables } = found;
	return { survey: found, differences: core ? compareCores(core, { ...core, tables }) : [] };
}

function damaged(name: string, differences: string[]): LifeboatError {
	const error = new LifeboatError(`${name} is damaged or was changed. Nothing was changed.`, {
		code: 'backup_differs',
		status: 422,
		hint: 'Use another backup: `latest` or a name from the list.',
	});
	return new DetailedError(error, shorten(differences));
}
