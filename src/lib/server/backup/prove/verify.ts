import { compareCores, compareTables, type Core } from '../format/digest.ts';
import { type Manifest, type Scope, sqlBytesOf } from '../format/manifest.ts';
import { hideDigests } from '../format/signature.ts';
import { type Survey, survey } from '../restore/survey.ts';
import { isDamage } from './damage.ts';
import { type BackupFiles, compareStored, isLegible, sqlOnce, storedBytesOf } from './files.ts';

/** What a verification or a drill found. `differences` are sentences, and none if `proven`. */
export interface Finding {
	proven: boolean;
	scope: Scope;
	tables: number;
	rows: number;
	/** Bytes of SQL, or stored bytes if the scope is `stored`. */
	bytes: number;
	differences: string[];
}

/**
 * Verifies a backup as far as possible without restoring it: the stored bytes against the
 * manifest's SHA-256, the length of each statement against D1's limit, the rows in the file against
 * the digests. If a backup is encrypted and there is no identity, only the stored bytes are
 * compared, and the finding's scope says so. Damage is a difference, not an error. Throws if the
 * files cannot be read.
 */
export async function verifyFiles(
	files: BackupFiles,
	onProgress: (bytes: number) => void = () => {},
): Promise<Finding & { survey: Survey | null }> {
	const { manifest } = files;
	if (!isLegible(files)) {
		return { ...(await verifyStored(files, onProgress)), survey: null };
	}
	try {
		const found = await survey(sqlOnce(files), onProgress);
		const differences = differencesOf(files, found);
		return { ...finding(manifest, differences), survey: found };
	} catch (error) {
		const differences = await damagesBehind(files, error);
		return { ...finding(manifest, differences), survey: null };
	}
}

/** The bytes that {@link verifyFiles} counts up to; 0 if that is unknown. */
export function bytesToVerify(files: BackupFiles): number {
	if (isLegible(files)) return sqlBytesOf(files.manifest);
	try {
		return storedBytesOf(files);
	} catch (error) {
		if (isDamage(error)) return 0;
		throw error;
	}
}

/**
 * The damage that caused an error. Damaged bytes may look like a wrong identity, or like SQL that
 * D1 does not support. Throws the error again if there is no damage.
 */
async function damagesBehind(files: BackupFiles, error: unknown): Promise<string[]> {
	if (isDamage(error)) return [error.message];
	const { differences } = await verifyStored(files, () => {});
	if (differences.length === 0) throw error;
	return differences;
}

/** Compares the stored bytes with the manifest, and nothing else. */
async function verifyStored(
	files: BackupFiles,
	onProgress: (bytes: number) => void,
): Promise<Finding> {
	let bytes = 0;
	const differences = await compareStored(files, (length) => onProgress((bytes += length))).catch(
		(error: unknown) => {
			if (isDamage(error)) return [error.message];
			throw error;
		},
	);
	return {
		proven: differences.length === 0,
		scope: 'stored',
		tables: 0,
		rows: 0,
		bytes,
		differences,
	};
}

function finding(manifest: Manifest, differences: string[]): Finding {
	const { tables } = manifest;
	return {
		proven: differences.length === 0,
		scope: 'contents',
		tables: tables.length,
		rows: tables.reduce((sum, { rows }) => sum + rows, 0),
		bytes: sqlBytesOf(manifest),
		differences,
	};
}

function differencesOf(files: BackupFiles, found: Survey): string[] {
	if (found.core === null) return ['Lifeboat did not write this file.'];
	const rows = compareTables(found.core.tables, found.tables);
	const said = compareWithManifest(files, found.core).map(
		(text) => `According to the file's last line: ${text}`,
	);
	const long = found.tooLong.map((number) => `Statement ${number} is too long for D1.`);
	const { notAllowed } = found;
	const other = notAllowed
		? [`Statement ${notAllowed.number} is none that a backup contains: ${notAllowed.reason}.`]
		: [];
	return [...rows, ...said, ...long, ...other];
}

/**
 * The digests in manifests of encrypted backups are hidden, so without the key only names and
 * counts can be compared.
 */
function compareWithManifest({ manifest, key }: BackupFiles, core: Core): string[] {
	if (!manifest.encryption) return compareCores(manifest, core);
	if (key) return compareCores(manifest, hideDigests(core, key));
	return compareCores(withoutDigests(manifest), withoutDigests(core));
}

function withoutDigests({ schema, tables }: Core): Core {
	const bare = <T extends { sha256: string }>(described: T): T => ({ ...described, sha256: '' });
	return { schema: bare(schema), tables: tables.map(bare) };
}
