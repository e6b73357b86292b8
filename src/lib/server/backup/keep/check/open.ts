import { LifeboatError, toLifeboatError } from '../../../errors.ts';
import type { R2Bucket, R2Object } from '../../../platform.ts';
import { parseSummary } from '../../format/manifest.ts';
import { manifestKey } from '../../format/names.ts';
import { type BackupKey, isSignedSummary } from '../../format/signature.ts';
import { readManifest } from '../../storage/bucket.ts';
import { NOT_OURS } from '../../storage/list.ts';
import { foundOf, isWhole } from '../survey.ts';

/** What the app's own manifest says. */
export interface Opened {
	/**
	 * The volumes that it names, each with its size in bytes. Null from a summary, which has only their sum, if
	 * all of them are there and their sizes add up.
	 */
	volumes: ReadonlyMap<string, number | null>;
	/** The full backup that it rests on. */
	parent: string | null;
}

/**
 * What the manifest of a backup says, from its signed summary where that is enough, or why it is not the
 * app's own. Throws `storage_error` (500).
 */
export async function openManifestOf(
	{ bucket, keys }: { bucket: R2Bucket; keys: readonly BackupKey[] },
	name: string,
	objects: readonly R2Object[],
): Promise<Opened | { refusal: LifeboatError }> {
	const object = objects.find(({ key }) => key === manifestKey(name));
	const stored = object?.customMetadata?.['summary'];
	const summary = parseSummary(stored);
	const isSigned = object && stored !== undefined && isSignedSummary(stored, object.etag, keys);
	const found = { objects: new Map([[name, objects.map(foundOf)]]) };
	if (summary?.name === name && isSigned && isWhole(found, summary)) {
		return {
			volumes: new Map(summary.files.map((file) => [file, null])),
			parent: summary.parent,
		};
	}
	try {
		const { manifest } = await readManifest(bucket, manifestKey(name), keys);
		const volumes = new Map(manifest.volumes.map(({ key, bytes }) => [key, bytes]));
		return { volumes, parent: manifest.parent };
	} catch (error) {
		const refusal = toLifeboatError(error);
		if (!NOT_OURS.includes(refusal.code)) throw error;
		return { refusal };
	}
}
