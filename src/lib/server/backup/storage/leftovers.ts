import type { R2Bucket, R2Object } from '../../platform.ts';
import { type BackupSummary, type Manifest, parseSummary } from '../format/manifest.ts';
import { backupOfFile, isVolume, manifestKey, sliceListKey, startOf } from '../format/names.ts';
import type { BackupKey } from '../format/signature.ts';
import { MAX_KEYS_PER_DELETE } from '../limits.ts';
import { findManifest } from './bucket.ts';
import type { BucketContext } from './conditional.ts';
import { storageCall, tryRepeatedly } from './failure.ts';
import { listBackupObjects, listObjects } from './list.ts';
import { buryBackup, isTombstone } from './tombstone.ts';

// What abandoned backups leave in the bucket. A volume is removed only if there is a tombstone, or a
// manifest that does not name it. Without either, a manifest may still follow, or the volume may be
// somebody's copy.

/** Names that one backup cleans up after; the rest waits, so that a call stays within its limits. */
const MAX_NAMES = 5;
/** How long a tombstone stays, in milliseconds: longer than any Worker can be stalled. */
const TOMBSTONE_MS = 24 * 3_600_000;

/** The objects of one name. */
interface Group {
	name: string;
	/** The manifest, or the tombstone in its place. */
	manifest: R2Object;
	/** Its volumes, and the list of its slices. */
	files: string[];
}

/**
 * Removes the volumes of abandoned backups, and volumes of complete backups that their manifest does
 * not name; Workers that died or stalled leave both. Never throws: what cannot be removed is logged,
 * and the next backup tries again. Returns the newest backup as its metadata describes it, null if
 * that is unknown.
 */
export async function removeLeftovers(
	bucket: R2Bucket,
	keys: readonly BackupKey[],
	now: number,
): Promise<BackupSummary | null> {
	let newest: BackupSummary | null = null;
	await tryRepeatedly(async () => {
		const all = await groups(bucket);
		newest = summaryOf(all.findLast(({ manifest }) => !isTombstone(manifest)));
		const left = all.filter((group) => hasLeftovers(group, now));
		for (const group of left.slice(0, MAX_NAMES)) {
			await tryRepeatedly(() => clean(bucket, group, keys));
		}
	});
	return newest;
}

/**
 * Abandons a backup and removes its volumes. If its manifest exists after all, everything stays, and
 * the manifest is returned; else null. Throws `storage_error` (500).
 */
export async function giveUp(
	context: BucketContext,
	name: string,
	keys: readonly BackupKey[],
): Promise<Manifest | null> {
	const files = await filesOf(context.bucket, name);
	if (files.length === 0) return findManifest(context.bucket, name, keys);
	if (!(await buryBackup(context, name))) return findManifest(context.bucket, name, keys);
	await tryRepeatedly(() => remove(context.bucket, files));
	return null;
}

/**
 * Removes the volumes of a backup that its manifest does not name. Throws `storage_error` (500),
 * `object_locked` (409).
 */
export async function removeStrays(
	bucket: R2Bucket,
	{ name, volumes }: Pick<Manifest, 'name' | 'volumes'>,
): Promise<void> {
	const named = new Set([...volumes.map(({ key }) => key), sliceListKey(name)]);
	const strays = (await filesOf(bucket, name)).filter((key) => !named.has(key));
	await remove(bucket, strays);
}

async function clean(
	bucket: R2Bucket,
	{ name, manifest, files }: Group,
	keys: readonly BackupKey[],
): Promise<void> {
	if (isTombstone(manifest)) {
		await remove(bucket, files.length > 0 ? files : [manifestKey(name)]);
		return;
	}
	const read = await findManifest(bucket, name, keys); // the metadata is not signed
	if (read) await removeStrays(bucket, read);
}

function summaryOf(group: Group | undefined): BackupSummary | null {
	return parseSummary(group?.manifest.customMetadata?.['summary']);
}

function hasLeftovers(group: Group, now: number): boolean {
	const { name, manifest, files } = group;
	if (isTombstone(manifest)) {
		return files.length > 0 || manifest.uploaded.getTime() + TOMBSTONE_MS < now;
	}
	const volumes = summaryOf(group)?.files;
	if (volumes === undefined) return false;
	return new Set(files).difference(new Set([...volumes, sliceListKey(name)])).size > 0;
}

/** The objects of every name that has a manifest or a tombstone, oldest first. */
async function groups(bucket: R2Bucket): Promise<Group[]> {
	const manifests = new Map<string, R2Object>();
	const files: { name: string; key: string }[] = [];
	for await (const object of listBackupObjects(bucket)) {
		const name = backupOfFile(object.key);
		if (name === null) continue;
		if (object.key === manifestKey(name)) manifests.set(name, object);
		else if (isPart(name, object.key)) files.push({ name, key: object.key });
	}
	const byName = Map.groupBy(files, ({ name }) => name);
	return [...manifests]
		.map(([name, manifest]) => {
			return { name, manifest, files: byName.get(name)?.map(({ key }) => key) ?? [] };
		})
		.sort((a, b) => startOf(a.name) - startOf(b.name));
}

async function filesOf(bucket: R2Bucket, name: string): Promise<string[]> {
	const objects = await Array.fromAsync(listObjects(bucket, `${name}.`));
	return objects.map(({ key }) => key).filter((key) => isPart(name, key));
}

/** Whether a file of a backup is nothing without its manifest. */
function isPart(name: string, key: string): boolean {
	return isVolume(key) || key === sliceListKey(name);
}

async function remove(bucket: R2Bucket, keys: string[]): Promise<void> {
	for (let at = 0; at < keys.length; at += MAX_KEYS_PER_DELETE) {
		await storageCall(() => bucket.delete(keys.slice(at, at + MAX_KEYS_PER_DELETE)));
	}
}
