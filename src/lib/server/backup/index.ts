import { LifeboatError } from '../errors.ts';
import type { R2Bucket, R2Object, R2ObjectBody } from '../platform.ts';
import type { AfterBackup, BackupStep, Engine, ReportProgress } from './engine.ts';
import type { ListedBackup } from './format/manifest.ts';
import { backupName } from './format/names.ts';
import { measured } from './make/call.ts';
import {
	doubtful,
	isSameBackup,
	type Job,
	NOTHING_DONE,
	readJob,
	readTicket,
	ticketFor,
} from './make/job.ts';
import { asFull, findParent, type KindChoice } from './make/parent.ts';
import { finishCommitted, takeStep } from './make/step.ts';
import {
	backupNotFound,
	type ByteRange,
	findFile,
	findManifest,
	readFile,
} from './storage/bucket.ts';
import { type ListContext, listStored } from './storage/list.ts';
import { requireConditionalPuts } from './storage/probe.ts';
import { acquireLock, type HeldLock, mayGoOn, readLock, takeUpLock } from './storage/lock.ts';

/** Backups on one page of the list. */
const DEFAULT_PAGE = 50;

const nothing: AfterBackup = async () => {};

/**
 * Starts a backup of the database, and finishes it if the budget allows, else returns a ticket for the
 * next step. It is a differential if there is a full one to rest on, unless `kind` is `full`. All or nothing: the manifest is written last, and a backup that fails removes what it
 * has stored.
 *
 * Throws LifeboatError: `snapshot_unstable` (409) if others kept writing, `backup_running` (409),
 * `bucket_unsuitable` (500), and the errors of the database and the bucket.
 */
export async function startBackup(
	engine: Engine,
	onProgress: ReportProgress = () => {},
	{ kind = 'auto', afterwards = nothing }: { kind?: KindChoice; afterwards?: AfterBackup } = {},
): Promise<BackupStep> {
	const { encoding, signer, now } = engine;
	if (encoding.recipients.length > 0 && signer === null) {
		throw new Error('Digests of encrypted backups need a key.');
	}
	const startedAt = now();
	await requireConditionalPuts(engine);
	const call = measured(engine);
	const parent = kind === 'full' ? null : await findParent(call.engine, call.database);
	const name = backupName(parent ? 'incremental' : 'full', new Date(startedAt));
	const lock = await acquireLock(call.engine, 'backup', name);
	const job: Job = {
		name,
		step: 1,
		startedAt,
		attempts: 1,
		staged: false,
		waitedMs: 0,
		encoding,
		parent,
		...NOTHING_DONE,
		cost: { queries: 0, rowsRead: 0 },
	};
	return takeStep(call, lock, job, { onProgress, afterwards });
}

/**
 * Takes the next step of an unfinished backup. A ticket is valid for one step of one backup; if that
 * step is done already, its answer is repeated.
 *
 * Throws LifeboatError: `ticket_invalid` or `ticket_expired` (403), `ticket_spent` (409),
 * `backup_running` (409) while the step is being taken, and what {@link startBackup} throws. After a
 * `retryable` or unexpected error the same ticket is still valid.
 */
export async function resumeBackup(
	engine: Engine,
	ticket: string,
	onProgress: ReportProgress = () => {},
	{ afterwards = nothing }: { afterwards?: AfterBackup } = {},
): Promise<BackupStep> {
	const call = measured(engine);
	const { bucket, signer, keys, now } = call.engine;
	const { name, step } = await readTicket(keys, ticket, now());
	const held = await readLock(bucket, 'backup');
	// Once there is a manifest, no step is left to take, whatever the lock says.
	const manifest =
		(await findManifest(bucket, name, keys)) ?? (await findManifest(bucket, asFull(name), keys));
	if (manifest) {
		if (held?.name === manifest.name) await finishCommitted(engine, held, manifest, onProgress);
		return { manifest };
	}
	const job = await heldJob(engine, held, name);
	if (signer && held?.waiting && job.step === step + 1)
		return ticketFor(engine, signer, job, held.until);
	if (!held || job.step !== step) throw ticketSpent();
	const lock = await takeUpLock(call.engine, 'backup', held);
	const begun = held.waiting ? job : doubtful(job);
	return takeStep(call, lock, begun, { onProgress, afterwards });
}

/**
 * The ticket for the next step of the backup that holds the lock, if it waits for that or its step died. It lets people
 * continue a backup without a ticket in a page. Null if there is nothing to continue. Throws `storage_error`
 * (500), `ticket_invalid` (403).
 */
export async function currentTicket(engine: Engine): Promise<string | null> {
	const { bucket, keys, signer, now } = engine;
	const held = await readLock(bucket, 'backup');
	if (!signer || !held?.state || !mayGoOn(held, now())) return null;
	if (!held.waiting && held.until > now()) return null;
	const job = await readJob(keys, held.state, held.name);
	const step = await ticketFor(engine, signer, job, Math.max(held.until, held.ticketUntil));
	return 'resume' in step ? step.resume : null;
}

/** The job of this name in the lock. Throws `ticket_spent` (409) if it is not there. */
async function heldJob({ keys }: Engine, held: HeldLock | null, name: string): Promise<Job> {
	if (!held?.state || !isSameBackup(held.name, name)) throw ticketSpent();
	return readJob(keys, held.state, held.name);
}

/** Which part of the list to read. */
export interface ListPage {
	/** The name after which the page starts; the list's `cursor`. */
	cursor?: string | undefined;
	limit?: number | undefined;
}

/**
 * One page of the complete backups, newest first; `cursor` is null on the last page. Throws
 * `cursor_unknown` (400), `storage_error` (500).
 */
export async function listBackups(
	context: ListContext,
	page: ListPage = {},
): Promise<{ backups: ListedBackup[]; cursor: string | null }> {
	return pageOf(await listStored(context), page);
}

/** A page of all backups, newest first. Throws `cursor_unknown` (400). */
export function pageOf<T extends { name: string }>(
	all: readonly T[],
	{ cursor, limit = DEFAULT_PAGE }: ListPage,
): { backups: T[]; cursor: string | null } {
	const start = cursor === undefined ? 0 : all.findIndex((backup) => backup.name === cursor) + 1;
	if (cursor !== undefined && start === 0) throw unknownCursor();
	const backups = all.slice(start, start + limit);
	const hasMore = start + limit < all.length;
	return { backups, cursor: hasMore ? (backups.at(-1)?.name ?? null) : null };
}

/** The metadata of a backup's file. Throws `backup_not_found` (404), `storage_error` (500). */
export async function describeFile(bucket: R2Bucket, fileName: string): Promise<R2Object> {
	const file = await findFile(bucket, fileName);
	if (file === null) throw backupNotFound();
	return file;
}

/** A backup's file as stored, or a part of it. Throws `backup_not_found` (404), `storage_error` (500). */
export async function openFile(
	bucket: R2Bucket,
	file: R2Object,
	range?: ByteRange,
): Promise<R2ObjectBody> {
	const object = await readFile(bucket, file, range);
	if (object === null) throw backupNotFound();
	return object;
}

function ticketSpent(): LifeboatError {
	return new LifeboatError('The step of this ticket is done, or its backup was abandoned.', {
		code: 'ticket_spent',
		status: 409,
		hint: 'Use the ticket of the last answer, or start a new backup.',
	});
}

function unknownCursor(): LifeboatError {
	return new LifeboatError('There is no backup with this cursor.', {
		code: 'cursor_unknown',
		status: 400,
		hint: 'Omit the cursor to start with the newest backup.',
	});
}
