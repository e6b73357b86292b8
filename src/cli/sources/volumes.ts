import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Manifest } from '../../lib/server/backup/format/manifest.ts';
import { requireOwn } from './backup.ts';
import { sizeOf } from './disk.ts';

type Volume = Manifest['volumes'][number];

/** A backup's manifest, and where its volumes are on this machine; a missing one has no path. */
export interface FoundVolumes {
	/** With the volumes as they are found: one may have been unpacked in place. */
	manifest: Manifest;
	paths: Map<string, string>;
}

/**
 * Finds the volumes of a backup in the folder of its manifest. One that was unpacked there, as `gunzip FILE`
 * and `zstd -d FILE` do, is taken too if it is the one that the user names or if the original is gone: its bytes are then
 * known by the digests of its rows and definitions alone. Throws what {@link requireOwn} throws.
 */
export async function findVolumes(
	manifest: Manifest,
	manifestPath: string,
	named: string,
): Promise<FoundVolumes> {
	const paths = new Map<string, string>();
	const volumes: Volume[] = [];
	for (const volume of manifest.volumes) {
		requireOwn(manifest, volume.key);
		const found = await findVolume(volume, manifestPath, named);
		volumes.push(found.volume);
		if (found.path !== null) paths.set(found.volume.key, found.path);
	}
	return { manifest: { ...manifest, volumes }, paths };
}

/**
 * Takes one file for the whole backup, whatever its name and encodings are: its bytes are then known by the
 * digests of its rows and definitions alone.
 */
export async function asOneVolume(
	manifest: Manifest,
	path: string,
	encodings: Volume['encodings'],
): Promise<FoundVolumes> {
	const sqlBytes = manifest.volumes.reduce((sum, volume) => sum + volume.sqlBytes, 0);
	const named = { key: basename(path), encodings, sqlBytes, bytes: 0, sha256: '' };
	const volume = await measured(named, path);
	return { manifest: { ...manifest, volumes: [volume] }, paths: new Map([[volume.key, path]]) };
}

async function findVolume(
	volume: Volume,
	manifestPath: string,
	named: string,
): Promise<{ volume: Volume; path: string | null }> {
	const candidates: { path: string; volume: Volume }[] = [];
	for (const unpacked of unpackings(volume)) {
		const path = await findSibling(manifestPath, unpacked.key);
		if (path !== null) candidates.push({ path, volume: unpacked });
	}
	const isNamed = ({ path }: { path: string }) => basename(path) === basename(named);
	const found = candidates.find(isNamed) ?? candidates[0];
	if (!found) return { volume, path: null };
	if (found.volume.key === volume.key) return found;
	return { path: found.path, volume: await measured(found.volume, found.path) };
}

/** The volume as it is stored, then without its last encoding, and so on down to plain SQL. */
function unpackings(volume: Volume): Volume[] {
	const found = [volume];
	let { key, encodings } = volume;
	while (encodings.length > 0) {
		encodings = encodings.slice(0, -1);
		key = key.replace(/\.\w+$/, '');
		found.push({ ...volume, key, encodings });
	}
	return found;
}

/** With the size and digest of the file, of which the manifest says nothing. */
async function measured(volume: Volume, path: string): Promise<Volume> {
	const hash = createHash('sha256');
	await pipeline(createReadStream(path), hash);
	return { ...volume, bytes: (await sizeOf(path)) ?? 0, sha256: hash.digest('hex') };
}

/** A file of a backup in the folder of another one; browsers save colons as `-`. */
export async function findSibling(path: string, key: string): Promise<string | null> {
	for (const name of [key, key.replaceAll(':', '-')]) {
		const candidate = join(dirname(path), name);
		if ((await sizeOf(candidate)) !== null) return candidate;
	}
	return null;
}
