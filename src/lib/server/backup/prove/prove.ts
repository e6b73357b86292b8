import { LifeboatError } from '../../errors.ts';
import type { D1Database } from '../../platform.ts';
import { d1, type SqlDatabase } from '../database.ts';
import type { Engine } from '../engine.ts';
import { requireParent } from '../format/parent.ts';
import { type OutsideProof, type Proof, shorten, toProof, WORKER } from '../format/proof.ts';
import { readManifest, readParentOf, readVolume, storeProof } from '../storage/bucket.ts';
import { MAX_CLOCK_DRIFT_MS } from '../storage/list.ts';
import { acquireLock, type Lock } from '../storage/lock.ts';
import { checkSliceList } from '../storage/slice-list.ts';
import { drillFiles, type DrillProgress } from './drill.ts';
import { type BackupFiles, requireLegible } from './files.ts';
import { bytesToVerify, type Finding, verifyFiles } from './verify.ts';

/** Bytes of SQL between two progress reports; files arrive in chunks of a few kilobytes. */
const PROGRESS_BYTES = 1_000_000;

/** The progress of a verification or a drill. */
export type ProofProgress = { event: 'step' } & DrillProgress;

/**
 * Verifies a backup, found by any of its file names, without restoring it. Stores and returns the
 * proof, even if something differs. For an encrypted backup, only its stored bytes and its manifest
 * are verified, and the proof's scope says so.
 *
 * Throws LifeboatError: `backup_not_found` (404), `manifest_unsigned` or `manifest_forged` (422),
 * `manifest_unreadable` (500), `storage_error` (500).
 */
export async function verifyBackup(
	engine: Engine,
	fileName: string,
	onProgress: (progress: ProofProgress) => void = () => {},
): Promise<Proof> {
	const files = await openBackup(engine, fileName);
	const totalBytes = bytesToVerify(files);
	const report = sparingly(onProgress);
	return prove(engine, files, 'verify', async () => {
		const found = await verifyFiles(files, (bytes) =>
			report({ step: 'verify', bytes, totalBytes }),
		);
		return found.proven ? withSliceList(engine, files, found) : found;
	});
}

/**
 * Proves a backup by restoring it into the drill database, which is empty before and after. Stores
 * and returns the proof, even if something differs. Only one drill runs at a time.
 *
 * Throws LifeboatError: `drill_database_not_empty` (409), in which case nothing in it was changed;
 * `drill_running`, `lock_lost` and `backup_encrypted` (409), and what {@link verifyBackup} and the
 * database throw.
 */
export async function drillBackup(
	engine: Engine,
	drillDatabase: D1Database,
	fileName: string,
	onProgress: (progress: ProofProgress) => void = () => {},
): Promise<Proof> {
	const { sleep } = engine;
	const files = await openBackup(engine, fileName);
	requireLegible(files);
	const lock = await acquireLock(engine, 'drill', files.manifest.name);
	lock.buried(); // the restore itself removes what a killed drill has left in the database
	try {
		const database = whileHeld(lock, d1(drillDatabase));
		return await prove(engine, files, 'drill', () =>
			drillFiles(database, files, { sleep, onProgress: sparingly(onProgress) }),
		);
	} catch (error) {
		const full = error instanceof LifeboatError && error.code === 'target_not_empty';
		throw full ? drillDatabaseNotEmpty(error) : error;
	} finally {
		await lock.release();
	}
}

/**
 * Stores the result of a verification or drill that ran elsewhere, as a proof of the backup that
 * has a file of this name, signed by the app, and returns the proof.
 *
 * Throws LifeboatError: `backup_not_found` (404), `proof_from_future` (400), `proof_exists` (409),
 * `manifest_unsigned` or `manifest_forged` (422).
 */
export async function recordProof(
	engine: Engine,
	fileName: string,
	found: OutsideProof,
): Promise<Proof> {
	const { manifest } = await readManifest(engine.bucket, fileName, engine.keys);
	if (Date.parse(found.finishedAt) > engine.now() + MAX_CLOCK_DRIFT_MS) throw proofFromFuture();
	return storeProof(engine, toProof(manifest, found));
}

/**
 * The files of a backup in the bucket, found by any of its file names. Throws what {@link readManifest}
 * throws.
 */
export async function openBackup(
	{ bucket, keys }: Pick<Engine, 'bucket' | 'keys'>,
	fileName: string,
): Promise<BackupFiles> {
	const opened = await readManifest(bucket, fileName, keys);
	const parent = await readParentOf(bucket, opened.manifest, keys);
	return { ...opened, parent, open: (key, range) => readVolume(bucket, key, range) };
}

/** The finding, with what is wrong with the list of the slices. */
async function withSliceList(
	engine: Engine,
	{ manifest, parent }: BackupFiles,
	found: Finding,
): Promise<Finding> {
	const full = requireParent(parent)?.manifest ?? null;
	const difference = await checkSliceList(engine, manifest, full);
	if (difference === null) return found;
	return { ...found, proven: false, differences: [difference] };
}

async function prove(
	engine: Engine,
	{ manifest }: BackupFiles,
	kind: Proof['kind'],
	find: () => Promise<Finding>,
): Promise<Proof> {
	const { now } = engine;
	const startedAt = new Date(now()).toISOString();
	const { proven, scope, tables, rows, bytes, differences } = await find();
	const result = toProof(manifest, {
		kind,
		by: WORKER,
		startedAt,
		finishedAt: new Date(now()).toISOString(),
		proven,
		scope,
		tables,
		rows,
		bytes,
		differences: shorten(differences),
	});
	return storeProof(engine, result);
}

/** A database that is used only as long as the lock is held. */
function whileHeld(lock: Lock, database: SqlDatabase): SqlDatabase {
	return {
		async batch(statements) {
			await lock.renew();
			return database.batch(statements);
		},
	};
}

/** Reports the start of each step, and then one progress in {@link PROGRESS_BYTES}. */
function sparingly(
	onProgress: (progress: ProofProgress) => void,
): (progress: DrillProgress) => void {
	let reported = '';
	return (progress) => {
		const place = `${progress.step} ${Math.floor(progress.bytes / PROGRESS_BYTES)}`;
		if (place === reported) return;
		reported = place;
		onProgress({ event: 'step', ...progress });
	};
}

function drillDatabaseNotEmpty(cause: unknown): LifeboatError {
	return new LifeboatError('The drill database DRILL_DB is not empty. Nothing in it was changed.', {
		code: 'drill_database_not_empty',
		status: 409,
		hint: 'Bind DRILL_DB to an empty database that nothing else uses, never to the database of the app.',
		cause,
	});
}

function proofFromFuture(): LifeboatError {
	return new LifeboatError('This proof is from the future and would hide all earlier ones.', {
		code: 'proof_from_future',
		status: 400,
		hint: 'Nothing was stored. Set the clock of the machine that made the proof, and send it again.',
	});
}
