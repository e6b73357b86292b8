import type { Engine } from '../engine.ts';
import type { R2Object } from '../../platform.ts';
import type { BackupSummary, ListedBackup } from '../format/manifest.ts';
import { backupOfFile, isVolume, manifestKey, sliceListKey } from '../format/names.ts';
import { checkSigned, listDated, type Part } from '../storage/list.ts';
import { isTombstone } from '../storage/tombstone.ts';

/** An object of a backup. */
export interface Found {
	key: string;
	/** In bytes. */
	size: number;
	/** By R2's clock, in milliseconds since 1970. */
	uploaded: number;
	/** Whether it takes the place of the manifest of a backup that was given up. */
	isTombstone: boolean;
}

/** An object as it was listed with its metadata. */
export function foundOf(object: R2Object): Found {
	const { key, size, uploaded } = object;
	return { key, size, uploaded: uploaded.getTime(), isTombstone: isTombstone(object) };
}

/** What the bucket holds of a database's backups, or of a part of them. */
export interface Survey {
	/** Newest first, those from the future too. */
	backups: ListedBackup[];
	/** The objects of each name, also of one that has no manifest. */
	objects: ReadonlyMap<string, readonly Found[]>;
}

/**
 * Lists the bucket, or a part of it, and reads at most `most` manifests whose summaries are not signed, the
 * newest first. `mayGoOn` is asked during the list, and may throw. Throws `storage_error` (500).
 */
export async function survey(
	engine: Pick<Engine, 'bucket' | 'keys' | 'now'>,
	{ most, mayGoOn = () => {}, ...part }: Part & { most: number; mayGoOn?: () => void },
): Promise<Survey> {
	const objects = new Map<string, Found[]>();
	const see = (object: R2Object) => {
		mayGoOn();
		const name = backupOfFile(object.key);
		if (name === null) return;
		const found = objects.get(name) ?? [];
		objects.set(name, [...found, foundOf(object)]);
	};
	const listed = await listDated(engine, { ...part, see });
	return { backups: await checkSigned(engine, listed, most), objects };
}

/**
 * Whether the bucket holds every volume that the summary of a backup names, with as many bytes as it says:
 * a backup that lost a file must not stand for others.
 */
export function isWhole(
	{ objects }: Pick<Survey, 'objects'>,
	{ name, files, bytes }: Pick<BackupSummary, 'name' | 'files' | 'bytes'>,
): boolean {
	const sizes = new Map(objects.get(name)?.map(({ key, size }) => [key, size]));
	let total = 0;
	for (const file of files) {
		const size = sizes.get(file);
		if (size === undefined) return false;
		total += size;
	}
	return total === bytes;
}

/** Whether there is an object in the place of the manifest: of any kind, a tombstone too. */
export function hasManifest({ objects }: Survey, name: string): boolean {
	return objects.get(name)?.some(({ key }) => key === manifestKey(name)) ?? false;
}

/** The volumes of a name and the list of its slices, which are nothing without its manifest. */
export function partsOf({ objects }: Survey, name: string): string[] {
	const keys = objects.get(name)?.map(({ key }) => key) ?? [];
	return keys.filter((key) => isVolume(key) || key === sliceListKey(name));
}

/** The proofs of a name. */
export function proofsOf(survey: Survey, name: string): string[] {
	const parts = [manifestKey(name), ...partsOf(survey, name)];
	const keys = survey.objects.get(name)?.map(({ key }) => key) ?? [];
	return keys.filter((key) => !parts.includes(key));
}
