import { LifeboatError } from '../../errors.ts';
import type { Manifest } from '../format/manifest.ts';
import { type Parent, requireParent } from '../format/parent.ts';
import type { BackupKey } from '../format/signature.ts';
import { slicesOf, type StoredSlice } from '../format/slices.ts';
import type { StoredVolume } from '../storage/volume.ts';
import { damaged } from './damage.ts';

/** The manifests that describe a backup, and the keys that signed them. */
export interface Chain {
	manifest: Manifest;
	/** The key that signed the manifest; null or left out if unknown. */
	key?: BackupKey | null;
	/** Left out for a full backup. */
	parent?: Parent;
}

/** Stored bytes that are compared as one: a slice, or a volume from before there were slices. */
export interface Part {
	/** The volume that has them. */
	volume: StoredVolume;
	/** Whether that is a volume of the parent. */
	isOfParent: boolean;
	offset: number;
	bytes: number;
	sha256: string;
	sqlBytes: number;
	/** What the manifest says about the SQL; null for a whole volume, or if it cannot be compared. */
	content: string | null;
	/** The key that hides `content`; null if it is the SHA-256 itself. */
	key: BackupKey | null;
	isSlice: boolean;
}

/**
 * The parts of a backup in the order of its SQL, a differential's unchanged slices included. Throws
 * `parent_missing` and `parent_differs` (422), and `backup_damaged` (422) if the manifests contradict
 * themselves or each other.
 */
export function partsOf({ manifest, key = null, parent }: Chain): Part[] {
	const opened = requireParent(parent);
	const slices = slicesIn(manifest, opened?.manifest ?? null);
	if (slices === null) return manifest.volumes.map(wholeVolume);
	const volumes = new Map<string, Pick<Part, 'volume' | 'isOfParent' | 'key'>>();
	const add = (from: Manifest, signer: BackupKey | null, isOfParent: boolean) => {
		const hiding = from.encryption ? signer : null;
		for (const volume of from.volumes) {
			volumes.set(volume.key, { volume, isOfParent, key: hiding });
		}
	};
	if (opened) add(opened.manifest, opened.key, true);
	add(manifest, key, false);
	const isHidden = manifest.encryption !== null;
	return slices.map(({ volume: name, offset, bytes, sha256, sqlBytes, content }) => {
		const found = volumes.get(name);
		if (!found) throw damaged(`The manifest names no volume ${name}.`);
		const isKnown = !isHidden || found.key !== null;
		const part = { ...found, offset, bytes, sha256, sqlBytes, isSlice: true };
		return { ...part, content: isKnown ? content : null };
	});
}

/**
 * The volumes in which a backup's parts are, those of a differential's parent included; its own alone if the
 * parent cannot be had.
 */
export function volumesOf(chain: Chain): StoredVolume[] {
	if (chain.parent instanceof LifeboatError) return chain.manifest.volumes;
	return [...new Set(partsOf(chain).map(({ volume }) => volume))];
}

/** A volume as one part. */
export function wholeVolume(volume: StoredVolume): Part {
	const { bytes, sha256, sqlBytes } = volume;
	const none = { isOfParent: false, offset: 0, content: null, key: null, isSlice: false };
	return { volume, bytes, sha256, sqlBytes, ...none };
}

/** How errors name the volume of a part. */
export function titleOf({ volume, isOfParent }: Part): string {
	return isOfParent ? `volume ${volume.key} of the full backup` : `volume ${volume.key}`;
}

function slicesIn(manifest: Manifest, parent: Manifest | null): StoredSlice[] | null {
	try {
		return slicesOf(manifest, parent);
	} catch (error) {
		throw damaged('The manifest contradicts itself.', error);
	}
}
