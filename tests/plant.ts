import { env } from 'cloudflare:workers';
import {
	type Manifest,
	printManifest,
	printSummary,
} from '../src/lib/server/backup/format/manifest.ts';
import { backupName, manifestKey } from '../src/lib/server/backup/format/names.ts';

/** The manifest without its MAC. */
export function unsigned(manifest: Manifest): Manifest {
	const bare = { ...manifest };
	delete bare.mac;
	return bare;
}

/**
 * Puts a manifest into the bucket as if its backup had started at this time, in milliseconds since
 * 1970, with a summary for the list like the app's. Without `forge` its MAC stays what it was.
 */
export async function plantManifest(
	manifest: Manifest,
	startedAt: number,
	forge = (planted: Manifest) => planted,
): Promise<void> {
	const time = new Date(startedAt);
	const name = backupName('full', time);
	const planted = forge({ ...manifest, name, startedAt: time.toISOString() });
	await env.MY_BUCKET.put(manifestKey(name), printManifest(planted), {
		customMetadata: { summary: printSummary(planted) ?? '' },
	});
}
