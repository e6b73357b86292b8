import type { R2Bucket, R2Object } from '@cloudflare/workers-types';
import { type Manifest, parseSummary } from '../format/manifest.ts';
import { isVolume, manifestKey, backupOfFile } from '../format/names.ts';
import type { BackupKey } from '../format/signature.ts';
import { findManifest, objectsOfBackups } from './bucket.ts';
import type { BucketContext } from './conditional.ts';
import { storageCall, tryRepeatedly } from './failure.ts';
import { buryBackup, isTombstone } from './tombstone.ts';

// What backups that came to nothing have left in the bucket. Nothing here removes a volume that a
// manifest names or may still come to name, nor one that might be somebody's copy: it takes a
// tombstone, or a manifest that does not name it.

/** Names that one backup cleans up after: the others wait, so that a call stays within its limits. */
const MAX_NAMES = 5;
/** How long a tombstone stays, in milliseconds: longer than any Worker can be stalled. */
const TOMBSTONE_MS = 24 * 3_600_000;

/** Keys that one call removes at most (R2 > Workers API reference). */
const MAX_KEYS = 1000;

/** What there is of one name. */
interface Group {
	name: string;
	/** Or its tombstone. */
	manifest: R2Object;
	volumes: string[];
}

/**
 * Removes the volumes of backups that were given up, and those of complete backups that the manifest
 * does not name; both are left by Workers that died or were stalled. Never throws: what cannot be
 * removed is logged, and the next backup tries again.
 */
export async function removeLeftovers(
	bucket: R2Bucket,
	keys: readonly BackupKey[],
	now: number,
): Promise<void> {
	await tryRepeatedly(async () => {
		const left = (await groups(bucket)).filter((group) => hasLeftovers(group, now));
		for (const group of left.slice(0, MAX_NAMES)) {
			await tryRepeatedly(() => clean(bucket, group, keys));
		}
	});
}

/**
 * Gives a backup up and removes its volumes, unless its manifest is there after all: then that is
 * returned, and everything stays. Null where it is given up. Throws `storage_error` (500).
 */
export async function giveUp(
	context: BucketContext,
	name: string,
	keys: readonly BackupKey[],
): Promise<Manifest | null> {
	const volumes = await volumesOf(context.bucket, name);
	if (volumes.length === 0) return findManifest(context.bucket, name, keys);
	if (!(await buryBackup(context, name))) return findManifest(context.bucket, name, keys);
	await tryRepeatedly(() => remove(context.bucket, volumes));
	return null;
}

/** Removes the volumes of a backup that its manifest does not name. Throws `storage_error` (500), `object_locked` (409). */
export async function removeStrays(
	bucket: R2Bucket,
	{ name, volumes }: Pick<Manifest, 'name' | 'volumes'>,
): Promise<void> {
	const named = volumes.map(({ key }) => key);
	await remove(
		bucket,
		(await volumesOf(bucket, name)).filter((key) => !named.includes(key)),
	);
}

async function clean(
	bucket: R2Bucket,
	{ name, manifest, volumes }: Group,
	keys: readonly BackupKey[],
): Promise<void> {
	if (isTombstone(manifest)) {
		await remove(bucket, volumes.length > 0 ? volumes : [manifestKey(name)]);
		return;
	}
	const read = await findManifest(bucket, name, keys); // the metadata is not signed
	if (read) await removeStrays(bucket, read);
}

function hasLeftovers({ manifest, volumes }: Group, now: number): boolean {
	if (isTombstone(manifest)) {
		return volumes.length > 0 || manifest.uploaded.getTime() + TOMBSTONE_MS < now;
	}
	const files = parseSummary(manifest.customMetadata?.['summary'])?.files;
	return files !== undefined && new Set(volumes).difference(new Set(files)).size > 0;
}

/** Of each name with a manifest or a tombstone its volumes, oldest first. */
async function groups(bucket: R2Bucket): Promise<Group[]> {
	const manifests = new Map<string, R2Object>();
	const volumes = new Map<string, string[]>();
	for await (const object of objectsOfBackups(bucket)) {
		const name = backupOfFile(object.key);
		if (name === null) continue;
		if (object.key === manifestKey(name)) manifests.set(name, object);
		else if (isVolume(object.key)) volumes.set(name, [...(volumes.get(name) ?? []), object.key]);
	}
	return [...manifests].map(([name, manifest]) => {
		return { name, manifest, volumes: volumes.get(name) ?? [] };
	});
}

async function volumesOf(bucket: R2Bucket, name: string): Promise<string[]> {
	return storageCall(async () => {
		const volumes: string[] = [];
		let cursor: string | undefined;
		do {
			const page = await bucket.list({ prefix: `${name}.`, ...(cursor && { cursor }) });
			volumes.push(...page.objects.map(({ key }) => key).filter(isVolume));
			cursor = page.truncated ? page.cursor : undefined;
		} while (cursor);
		return volumes;
	});
}

async function remove(bucket: R2Bucket, keys: string[]): Promise<void> {
	for (let at = 0; at < keys.length; at += MAX_KEYS) {
		await storageCall(() => bucket.delete(keys.slice(at, at + MAX_KEYS)));
	}
}
