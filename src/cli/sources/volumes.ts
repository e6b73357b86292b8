import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { type Manifest, sqlBytesOf } from '../../lib/server/backup/format/manifest.ts';
import { ownSlices, printSlice, withVolumes } from '../../lib/server/backup/format/slices.ts';
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
 * and `zstd -d FILE` do, is taken too if it is the one that the user names or if the original is gone. Throws
 * what {@link requireOwn} throws.
 */
export async function findVolumes(
	manifest: Manifest,
	manifestPath: string,
	named: string,
): Promise<FoundVolumes> {
	const { volumes, paths } = await find(manifest, manifestPath, named);
	const described = sliced(manifest, volumes) ?? (await whole(manifest, volumes, paths));
	return { manifest: described, paths };
}

/**
 * The same for a differential or its parent, of which slices are read: an unpacked volume counts as missing if
 * it is not known where they are in it.
 */
export async function findSlices(
	manifest: Manifest,
	manifestPath: string,
	named: string,
): Promise<FoundVolumes> {
	const { volumes, paths } = await find(manifest, manifestPath, named);
	return { manifest: sliced(manifest, volumes) ?? manifest, paths };
}

async function find(
	manifest: Manifest,
	manifestPath: string,
	named: string,
): Promise<{ volumes: Volume[]; paths: Map<string, string> }> {
	const paths = new Map<string, string>();
	const volumes: Volume[] = [];
	for (const volume of manifest.volumes) {
		requireOwn(manifest, volume.key);
		const found = await findVolume(volume, manifestPath, named);
		volumes.push(found.volume);
		if (found.path !== null) paths.set(found.volume.key, found.path);
	}
	return { volumes, paths };
}

/**
 * The whole of a differential in one file, as the app gives it under the name of the first volume, also
 * unpacked; null if the folder of its manifest has no such file. Throws what {@link requireOwn} throws.
 */
export async function findWhole(
	manifest: Manifest,
	manifestPath: string,
	named: string,
): Promise<FoundVolumes | null> {
	const [first] = manifest.volumes;
	if (manifest.parent === null || first === undefined) return null;
	requireOwn(manifest, first.key);
	const { path, volume } = await findVolume(first, manifestPath, named);
	const bytes = path === null ? null : await sizeOf(path);
	if (path === null || bytes === null) return null;
	const ofVolume = volume.key === first.key ? first.bytes : first.sqlBytes;
	return bytes > ofVolume ? asOneVolume(manifest, path, volume.encodings) : null;
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
	const named = { key: basename(path), encodings, sqlBytes: sqlBytesOf(manifest) };
	const volume = await measured({ ...named, bytes: 0, sha256: '' }, path);
	return { manifest: withVolumes(manifest, [volume]), paths: new Map([[volume.key, path]]) };
}

/**
 * The manifest with volumes of which some were unpacked: their slices are then plain SQL, whose digests the
 * manifest has. Null if it has none, or hides them.
 */
function sliced(manifest: Manifest, volumes: Volume[]): Manifest | null {
	const slices = ownSlices(manifest);
	const unpacked = new Map<string, Volume>();
	for (const [index, { key }] of manifest.volumes.entries()) {
		const volume = volumes[index];
		if (volume && volume.key !== key) unpacked.set(key, volume);
	}
	if (unpacked.size === 0) return manifest;
	const arePlain = unpacked.values().every(({ encodings }) => encodings.length === 0);
	if (slices === null || manifest.encryption !== null || !arePlain) return null;
	return {
		...manifest,
		volumes: volumes.map((volume) =>
			volume.encodings.length === 0 ? { ...volume, bytes: volume.sqlBytes } : volume,
		),
		slices: slices.map((slice) =>
			unpacked.has(slice.volume)
				? printSlice({ ...slice, bytes: slice.sqlBytes, sha256: slice.content })
				: printSlice(slice),
		),
	};
}

/** The manifest of volumes that are read as wholes: their bytes are known by the digests of the rows alone. */
async function whole(
	manifest: Manifest,
	volumes: Volume[],
	paths: Map<string, string>,
): Promise<Manifest> {
	const found: Volume[] = [];
	for (const [index, volume] of volumes.entries()) {
		const path = paths.get(volume.key);
		const isAsStored = volume.key === manifest.volumes[index]?.key;
		found.push(isAsStored || path === undefined ? volume : await measured(volume, path));
	}
	return withVolumes(manifest, found);
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
	return found ?? { volume, path: null };
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
