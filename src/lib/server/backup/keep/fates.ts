import { isVolume, manifestKey } from '../format/names.ts';
import type { Found } from './survey.ts';

/**
 * What became of a backup, as far as the names of its objects tell:
 *
 * - `complete`: there is a manifest, be it the app's own or not
 * - `abandoned`: it was given up, and a tombstone takes the place of the manifest
 * - `incomplete`: it has volumes only, as one that is being made, or whose Worker died
 * - `gone`: the list of its slices or its proofs are left
 * - `lost`: it has volumes and what only a complete backup gets, but no manifest: somebody removed that
 */
export type Fate = 'complete' | 'abandoned' | 'incomplete' | 'gone' | 'lost';

/** What became of the backup of this name, which has these objects. Pure. */
export function fateOf(name: string, objects: readonly Found[]): Fate {
	const manifest = objects.find(({ key }) => key === manifestKey(name));
	if (manifest) return manifest.isTombstone ? 'abandoned' : 'complete';
	const volumes = objects.filter(({ key }) => isVolume(key)).length;
	if (volumes === 0) return 'gone';
	return volumes === objects.length ? 'incomplete' : 'lost';
}
