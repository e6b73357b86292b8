import type { DumpSummary } from '../dump/script.ts';
import type { Engine } from '../engine.ts';
import { ENGINE_VERSION, type Manifest } from '../format/manifest.ts';
import { printRun } from '../format/slices.ts';
import { type BackupKey, hideDigests, signManifest } from '../format/signature.ts';
import { commitManifest, findManifest } from '../storage/bucket.ts';
import type { Encoding } from '../storage/codec.ts';
import { type Lock, lockLost } from '../storage/lock.ts';
import type { Job } from './job.ts';

/**
 * Writes the manifest: from then on the backup exists. If another Worker took the same step and wrote
 * its manifest first, that one is returned. Throws `lock_lost` (409) if the backup was abandoned.
 */
export async function commit(
	engine: Engine,
	lock: Lock,
	job: Job,
	summary: DumpSummary,
): Promise<Manifest> {
	const warnings = [...summary.warnings, ...engine.warnings];
	const plain = describeBackup(engine, job, { ...summary, warnings });
	const manifest = protect(plain, job.encoding, engine.signer);
	await lock.confirm();
	if (await commitManifest(engine, manifest)) return manifest;
	const committed = await findManifest(engine.bucket, job.name, engine.keys);
	if (committed === null) throw lockLost('backup');
	return committed;
}

function describeBackup({ name: database, now }: Engine, job: Job, summary: DumpSummary): Manifest {
	const finishedAt = now();
	const { name, startedAt, attempts, bookmark, waitedMs, volumes, parent, cost } = job;
	const snapshot = { consistency: summary.consistency, attempts, bookmark };
	return {
		format: 2,
		name,
		kind: parent ? 'incremental' : 'full',
		parent: parent?.name ?? null,
		...(parent && { parentMac: parent.mac }),
		database,
		startedAt: new Date(startedAt).toISOString(),
		finishedAt: new Date(finishedAt).toISOString(),
		snapshot: job.staged ? { ...snapshot, waitedMs } : snapshot,
		schema: summary.schema,
		tables: summary.tables,
		volumes,
		slices: job.slices,
		...(parent && { order: job.runs.map(printRun) }),
		sqlBytes: job.sqlBytes,
		encryption: null,
		warnings: summary.warnings,
		cost: { ...cost, durationMs: finishedAt - startedAt },
		engine: { version: ENGINE_VERSION },
	};
}

/** Signs a manifest; that of an encrypted backup says as little as possible about its contents. */
function protect(plain: Manifest, { recipients }: Encoding, signer: BackupKey | null): Manifest {
	if (signer === null) return plain;
	if (recipients.length === 0) return signManifest(plain, signer);
	return signManifest({ ...hideDigests(plain, signer), encryption: { recipients } }, signer);
}
