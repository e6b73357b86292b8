import type { D1Database } from '@cloudflare/workers-types';
import { LifeboatError } from '../../errors.ts';
import { d1, type SqlDatabase } from '../database.ts';
import { drillFiles, type DrillProgress } from './drill.ts';
import type { Engine } from '../engine.ts';
import { summarize } from '../format/manifest.ts';
import { type OutsideProof, type Proof, shorten, toProof, WORKER } from '../format/proof.ts';
import { readManifest, readVolume, storeProof } from '../storage/bucket.ts';
import { acquireLock, type Lock } from '../storage/lock.ts';
import { type BackupFiles, type Finding, requireLegible, verifyFiles } from './verify.ts';

/** How far the clock of somebody else's machine may be ahead, in milliseconds. */
const MAX_CLOCK_DRIFT_MS = 5 * 60_000;
/** Bytes of SQL from one word of progress to the next; files come in pieces of a few kilobytes. */
const PROGRESS_BYTES = 1_000_000;

/** What a verification or a drill that runs tells. */
export type ProofProgress = { event: 'step' } & DrillProgress;

/**
 * Proves a backup, found by any of its file names, without restoring it; stores and returns the
 * proof, also one that says what differs. Of an encrypted backup no more is proven than its stored
 * bytes and its manifest, and the proof's scope says so.
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
	const { sqlBytes, bytes: storedBytes } = summarize(files.manifest);
	const totalBytes = files.manifest.encryption ? storedBytes : sqlBytes;
	const tell = sparingly(onProgress);
	return prove(engine, files, 'verify', () =>
		verifyFiles(files, (bytes) => tell({ step: 'verify', bytes, totalBytes })),
	);
}

/**
 * Proves a backup by restoring it into the drill database, which is empty before and after; stores
 * and returns the proof, also one that says what differs. One drill runs at a time.
 *
 * Throws LifeboatError: `drill_database_not_empty` (409), and then nothing in it was touched;
 * `drill_running` (409), `lock_lost` (409), `backup_encrypted` (409), and what {@link verifyBackup} and the database throw.
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
	lock.buried(); // a restore removes by itself what a dead one has left in the database
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
 * Stores what somebody else has found, as a proof of the backup with such a file, and returns it.
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
	const proof = toProof(manifest.name, found);
	await storeProof(engine, proof);
	return proof;
}

async function openBackup({ bucket, keys }: Engine, fileName: string): Promise<BackupFiles> {
	const opened = await readManifest(bucket, fileName, keys);
	return { ...opened, open: (key) => readVolume(bucket, key) };
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
	const proof = toProof(manifest.name, {
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
	await storeProof(engine, proof);
	return proof;
}

/** A database that is used only as long as the lock is ours. */
function whileHeld(lock: Lock, database: SqlDatabase): SqlDatabase {
	return {
		async batch(statements) {
			await lock.renew();
			return database.batch(statements);
		},
	};
}

/** Tells when a step begins, and then once in a while. */
function sparingly(
	onProgress: (progress: ProofProgress) => void,
): (progress: DrillProgress) => void {
	let told = '';
	return (progress) => {
		const place = `${progress.step} ${Math.floor(progress.bytes / PROGRESS_BYTES)}`;
		if (place === told) return;
		told = place;
		onProgress({ event: 'step', ...progress });
	};
}

function drillDatabaseNotEmpty(cause: unknown): LifeboatError {
	return new LifeboatError('The drill database DRILL_DB is not empty. Nothing in it was changed.', {
		code: 'drill_database_not_empty',
		status: 409,
		hint: 'Bind DRILL_DB to a database of its own that holds nothing, never to the database of the app.',
		cause,
	});
}

function proofFromFuture(): LifeboatError {
	return new LifeboatError(
		'This proof is from the future, and would hide all that come before it.',
		{
			code: 'proof_from_future',
			status: 400,
			hint: 'Nothing was stored. Set the clock of the machine that made it, and send it again.',
		},
	);
}
