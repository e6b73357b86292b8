import { readOverview } from '../backup/keep/overview.ts';
import type { Operations } from './index.ts';

/**
 * The complete backups of a database, newest first, and what retention does with each. Reads at most `most`
 * manifests whose summaries are not signed; backups beyond that stay. Throws `storage_error` (500), and what
 * `keys` and `policy` of {@link Operations} throw.
 */
export function readKept(
	{ bucket, name, keys, policy, settings, now }: Operations,
	{ most }: { most: number },
): ReturnType<typeof readOverview> {
	const context = { bucket, name, signer: null, keys: keys(), now };
	return readOverview(context, { policy: policy(), maxAgeMs: settings.maxAgeMs }, { most });
}
