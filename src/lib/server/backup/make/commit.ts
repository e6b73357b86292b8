import type { DumpSummary } from '../dump/script.ts';
import type { Engine } from '../engine.ts';
import type { Job } from './job.ts';
import { ENGINE_VERSION, type Manifest } from '../format/manifest.ts';
import { type BackupKey, hideDigests, signManifest } from '../format/signature.ts';
import { commitManifest, findManifest } from '../storage/bucket.ts';
import type { Encoding } from '../storage/codec.ts';
import { type Lock, lockLost } from '../storage/lock.ts';

/**
 * The moment from which the backup exists. Where another Worker has taken the same step and come
 * first, its manifest is the backup's. Throws `lock_lost` (409) where the backup was given up.
 */
export async function commit(
	engine: Engine,
	lock: Lock,
	job: Job,
	summary: DumpSummary,
): Promise<Manifest> {
	const { bucket, now, keys = [] } = engine;
	const { name, startedAt, attempts, bookmark, volumes, cost, encoding } = job;
	const finishedAt = now();
	const plain: Manifest = {
		format: 1,
		name,
		kind: 'full',
		parent: null,
		database: 'DB',
		startedAt: new Date(startedAt).toISOString(),
		finishedAt: new Date(finishedAt).toISOString(),
		snapshot: { consistency: summary.consistency, attempts, bookmark },
		schema: summary.schema,
		tables: summary.tables,
		volumes,
		encryption: null,
		warnings: summary.warnings,
		cost: { ...cost, durationMs: finishedAt - startedAt },
		engine: { version: ENGINE_VERSION },
	};
	const manifest = protect(plain, encoding, keys);
	await lock.confirm();
	if (await commitManifest(engine, manifest)) return manifest;
	const committed = await findManifest(bucket, name, keys);
	if (committed === null) throw lockLost('backup');
	return committed;
}

/** As little in it as is needed where the backup is encrypted, and signed. */
function protect(plain: Manifest, { recipients }: Encoding, [key]: readonly BackupKey[]): Manifest {
	if (!key) return plain;
	if (recipients.length === 0) return signManifest(plain, key);
	return signManifest({ ...hideDigests(plain, key), encryption: { recipients } }, key);
}
