import { LifeboatError } from '../../errors.ts';
import type { Sleep } from '../../retry.ts';
import { databaseError, type SqlDatabase } from '../database.ts';
import { compareCores, type Core } from '../format/digest.ts';
import { sqlBytesOf } from '../format/manifest.ts';
import { rehearse } from '../restore/apply.ts';
import { requireClaimable } from '../restore/claimable.ts';
import type { SqlSource } from '../restore/source.ts';
import { type Survey, survey } from '../restore/survey.ts';
import { checkDatabase } from './check.ts';
import { readCore } from './compare.ts';
import { isDamage } from './damage.ts';
import { type BackupFiles, requireLegible, sqlOf } from './files.ts';
import { type Finding, verifyFiles } from './verify.ts';

/** How far a drill has come. */
export interface DrillProgress {
	step: 'verify' | 'restore' | 'compare';
	bytes: number;
	totalBytes: number;
}

export interface DrillOptions {
	sleep: Sleep;
	onProgress?(progress: DrillProgress): void;
}

/**
 * Proves a backup: verifies its files, restores them into an empty database, has SQLite check it,
 * compares schema and contents with the manifest, and empties the database again. What differs is
 * in the finding. Removes first what a killed drill has left.
 *
 * Throws LifeboatError if the drill cannot be done: `target_not_empty`, `restore_running` and
 * `restore_disturbed` (409), `database_error` (500), `database_unavailable` (503),
 * `backup_encrypted` (409) without an identity, and what reading the files throws.
 */
export async function drillFiles(
	database: SqlDatabase,
	files: BackupFiles,
	options: DrillOptions,
): Promise<Finding> {
	requireLegible(files);
	await requireEmptyFirst(database, options.sleep);
	const totalBytes = sqlBytesOf(files.manifest);
	const { survey: found, ...verified } = await verifyFiles(files, (bytes) =>
		options.onProgress?.({ step: 'verify', bytes, totalBytes }),
	);
	if (!found?.core || !verified.proven) return verified;
	// The file's last line matches the manifest, and its digests are never hidden.
	const differences = await restoreAndCompare(database, sqlOf(files), found, found.core, options);
	return { ...verified, proven: differences.length === 0, differences };
}

/**
 * The same for a file without a manifest, compared with its last line. Also throws
 * `file_has_no_digests` (422) for a file that Lifeboat did not write.
 */
export async function drillFile(
	database: SqlDatabase,
	source: SqlSource,
	options: DrillOptions,
): Promise<Finding> {
	await requireEmptyFirst(database, options.sleep);
	const found = await survey(source, (bytes) =>
		options.onProgress?.({ step: 'verify', bytes, totalBytes: 0 }),
	);
	if (found.core === null) throw noDigests();
	const differences = compareCores(found.core, { ...found.core, tables: found.tables });
	if (differences.length === 0) {
		differences.push(...(await restoreAndCompare(database, source, found, found.core, options)));
	}
	const { rows, bytes } = found;
	const proven = differences.length === 0;
	const tables = found.core.tables.length;
	return { proven, scope: 'contents', tables, rows, bytes, differences };
}

/** What differs after a restore, as sentences. */
async function restoreAndCompare(
	database: SqlDatabase,
	source: SqlSource,
	found: Survey,
	expected: Core,
	{ sleep, onProgress }: DrillOptions,
): Promise<string[]> {
	const report = (step: DrillProgress['step']) => (bytes: number) =>
		onProgress?.({ step, bytes, totalBytes: found.bytes });
	const restored = report('restore');
	const options = {
		survey: found,
		sleep,
		onProgress: ({ bytes }: { bytes: number }) => restored(bytes),
	};
	const differences: string[] = [];
	try {
		await rehearse(database, source, options, async () => {
			const broken = await checkDatabase(database, expected, sleep);
			const actual = await readCore(database, sleep, expected, report('compare'));
			differences.push(...broken, ...compareCores(expected, actual));
		});
	} catch (error) {
		const refused = error instanceof LifeboatError && error.code === 'restore_refused';
		if (refused || isDamage(error)) return [error.message];
		throw error;
	}
	return differences;
}

/** Checked before the file is read, which may take long. */
async function requireEmptyFirst(database: SqlDatabase, sleep: Sleep): Promise<void> {
	try {
		await requireClaimable(database, sleep, 'leftover');
	} catch (error) {
		throw databaseError(error);
	}
}

function noDigests(): LifeboatError {
	return new LifeboatError('The file has no digests to compare with: Lifeboat did not write it.', {
		code: 'file_has_no_digests',
		status: 422,
		hint: 'Restore it with `npm run restore` and check it yourself, or drill a backup made by Lifeboat.',
	});
}
