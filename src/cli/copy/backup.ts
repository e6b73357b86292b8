import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { ListedBackup, Manifest } from '../../lib/server/backup/format/manifest.ts';
import { manifestKey, sliceListKey } from '../../lib/server/backup/format/names.ts';
import { type Parent, requireParent } from '../../lib/server/backup/format/parent.ts';
import { isDamage } from '../../lib/server/backup/prove/damage.ts';
import { type BackupFiles, isLegible, readThrough } from '../../lib/server/backup/prove/files.ts';
import { sliceListOf } from '../../lib/server/backup/storage/slice-list.ts';
import type { StoredVolume } from '../../lib/server/backup/storage/volume.ts';
import { LifeboatError } from '../../lib/server/errors.ts';
import { readSetting } from '../secrets/dotenv.ts';
import { identitiesFor, type KeyOptions } from '../secrets/keys.ts';
import { fromFiles, readManifestOf, readParent, requireOwn } from '../sources/backup.ts';
import { readFile } from '../sources/disk.ts';
import { verifyBackup } from '../sources/verify.ts';
import { copyDiffers, type Copying, readText, storeFile, storeText } from './files.ts';
import { copyProofs, type ProofProblem } from './proofs.ts';

/** What was compared: the rows, all stored bytes, or only the sizes of the files. */
export type Checked = 'contents' | 'stored' | 'sizes';

/** A backup that the destination has. */
export interface Copy {
	/** Stored bytes of its volumes. */
	bytes: number;
	isNew: boolean;
	checked: Checked;
	problems: ProofProblem[];
}

/**
 * Copies a backup, or what is missing of it; the parent of a differential has to be there. It is verified before its manifest is stored, as the last of
 * its files: a copy without a manifest counts as none. If the manifest is there, the other files are
 * measured, or compared with `check`. `listed` is the backup in the app's list, null if it is not there.
 *
 * Throws `copy_differs` (409) for a file at the destination that is not what it should be, `parent_missing`
 * and `parent_differs` (422), and what {@link readManifestOf}, {@link verifyBackup}, the app and the destination throw.
 */
export async function copyBackup(
	name: string,
	listed: ListedBackup | null,
	copying: Copying,
): Promise<Copy> {
	const isNew = !copying.sizes.has(manifestKey(name));
	const { text, files } = isNew ? await ofApp(name, copying) : await ofCopy(name, copying);
	const { volumes } = files.manifest;
	const parent = requireParent(files.parent)?.manifest ?? null;
	const bytes = volumes.reduce((sum, volume) => sum + volume.bytes, 0);
	try {
		await compareCopy(files, isNew || copying.check, copying);
		await fetchMissing(volumes, bytes, copying);
		const known: Checked = copying.check ? 'stored' : 'sizes';
		const checked = isNew ? await verify(name, files, copying) : known;
		const problems = listed ? await copyProofs(listed, copying) : [];
		await copySliceList(name, sliceListOf(files.manifest, parent), copying);
		if (isNew) await storeText(manifestKey(name), text, copying);
		return { bytes, isNew, checked, problems };
	} finally {
		copying.context.progress.clear();
		for (const { key } of volumes) rmSync(join(copying.staging, key), { force: true });
	}
}

interface Opened {
	text: string;
	files: BackupFiles;
}

async function ofApp(name: string, copying: Copying): Promise<Opened> {
	const { api, context } = copying;
	context.progress.step(`fetch: ${name}`);
	const text = await api.manifest(name);
	return { text, files: await openFiles(name, text, copying) };
}

async function ofCopy(name: string, copying: Copying): Promise<Opened> {
	const { destination } = copying;
	const text = await readText(destination, manifestKey(name));
	try {
		return { text, files: await openFiles(name, text, copying) };
	} catch (error) {
		if (!isAboutManifest(error)) throw error;
		throw copyDiffers(destination, [`${manifestKey(name)}: ${error.message}`]);
	}
}

/** Whether a manifest is not the app's own, or not that of the backup. */
export function isAboutManifest(error: unknown): error is LifeboatError {
	return error instanceof LifeboatError && /^manifest_/.test(error.code);
}

/** The files of the backup with this manifest, read from where they are at the moment. */
async function openFiles(name: string, text: string, copying: Copying): Promise<BackupFiles> {
	const { keys, context, staging, destination, sizes } = copying;
	const opened = readManifestOf(text, name, keys, context);
	for (const { key } of opened.manifest.volumes) requireOwn(opened.manifest, key);
	return {
		...opened,
		parent: await copiedParent(opened.manifest, copying),
		identities: knownIdentities(opened.manifest, keys),
		async open(key, range) {
			const staged = await readFile(join(staging, key), context.signal, range);
			return staged ?? (sizes.has(key) ? destination.read(key, range) : null);
		},
	};
}

/** The parent of a differential as the destination has it; null for a full backup. */
async function copiedParent(
	manifest: Manifest,
	{ destination, sizes, keys, context }: Copying,
): Promise<Parent> {
	if (manifest.parent === null) return null;
	const file = manifestKey(manifest.parent);
	const text = sizes.has(file) ? await readText(destination, file) : undefined;
	return readParent(manifest, text, keys, context);
}

/** Stores the list of a backup's slices, which follows from its manifest. Throws `copy_differs`. */
async function copySliceList(name: string, list: string | null, copying: Copying): Promise<void> {
	const { sizes, check, destination } = copying;
	const key = sliceListKey(name);
	if (list === null) return;
	if (!sizes.has(key)) return storeText(key, list, copying);
	const isRight = sizes.get(key) === Buffer.byteLength(list);
	if (isRight && (!check || (await readText(destination, key)) === list)) return;
	throw copyDiffers(destination, [`${key} does not list the slices that the manifest has.`]);
}

/** The identities that are set here; none is needed to compare the stored bytes. */
function knownIdentities({ volumes }: Manifest, keys: KeyOptions): string[] {
	const isSet = (keys.identity ?? readSetting('AGE_IDENTITY_FILE')) !== '';
	const encodings = volumes.flatMap((volume) => volume.encodings);
	return isSet ? identitiesFor(encodings, keys) : [];
}

/** Compares the volumes that are there, by their sizes or by all their bytes. Throws `copy_differs`. */
async function compareCopy(files: BackupFiles, whole: boolean, copying: Copying): Promise<void> {
	const { sizes, destination } = copying;
	const differences: string[] = [];
	for (const volume of files.manifest.volumes) {
		const { key, bytes } = volume;
		const size = sizes.get(key);
		if (size === undefined) continue;
		if (size !== bytes) differences.push(`${key} has ${size} bytes instead of ${bytes}.`);
		else if (whole) differences.push(...(await damageOf(files, volume)));
	}
	if (differences.length > 0) throw copyDiffers(destination, differences);
}

async function damageOf(files: BackupFiles, volume: StoredVolume): Promise<string[]> {
	try {
		await readThrough(files, volume);
		return [];
	} catch (error) {
		if (isDamage(error)) return [error.message];
		throw error;
	}
}

/** Fetches each volume that is not there, and stores it once its bytes are those of the manifest. */
async function fetchMissing(
	volumes: StoredVolume[],
	total: number,
	copying: Copying,
): Promise<void> {
	const { api, staging, sizes, context } = copying;
	let before = 0;
	for (const { key, bytes, sha256 } of volumes) {
		if (!sizes.has(key)) {
			const path = join(staging, key);
			const onProgress = (done: number) => context.progress.bytes(before + done, total);
			const received = await api.download(key, path, bytes, onProgress);
			if (received !== sha256) throw damaged(key);
			await storeFile(key, { path, bytes, sha256 }, copying);
		}
		before += bytes;
	}
}

/**
 * Verifies a whole backup, whose files are there or staged: its rows if they can be read here, else its
 * stored bytes. Throws what {@link verifyBackup} and {@link readThrough} throw.
 */
async function verify(name: string, files: BackupFiles, { context }: Copying): Promise<Checked> {
	try {
		if (isLegible(files)) {
			await verifyBackup(fromFiles(name, files), context);
			return 'contents';
		}
	} catch (error) {
		const isOther = error instanceof LifeboatError && error.code === 'identity_wrong';
		if (!isOther) throw error;
	}
	for (const volume of files.manifest.volumes) await readThrough(files, volume);
	return 'stored';
}

function damaged(key: string): LifeboatError {
	return new LifeboatError(`The app sends ${key} with other bytes than its manifest says.`, {
		code: 'backup_damaged',
		status: 422,
		hint: 'Use another backup, and find out who changed this one.',
	});
}
