import type { R2Bucket, R2Object, R2ObjectBody } from '@cloudflare/workers-types';
import { LifeboatError } from '../errors.ts';
import type { BackupProgress, BackupStep, Engine } from './engine.ts';
import { doubtful, type Job, readJob, readTicket } from './make/job.ts';
import type { ListedBackup } from './format/manifest.ts';
import { backupName } from './format/names.ts';
import { finishCommitted, NOTHING_DONE, takeStep, ticketFor } from './make/step.ts';
import {
	backupNotFound,
	type ByteRange,
	findFile,
	findManifest,
	listStored,
	readFile,
} from './storage/bucket.ts';
import { PLAIN } from './storage/codec.ts';
import { acquireLock, type HeldLock, readLock, takeUpLock } from './storage/lock.ts';

/** Backups of one page of the list. */
const DEFAULT_PAGE = 50;

/**
 * Begins a full backup of the database in the bucket, and ends it where the budget lasts. All or
 * nothing: the manifest is written last, and a backup that fails takes back what it has stored.
 *
 * Throws LifeboatError: `snapshot_unstable` (409) when others kept writing, `backup_running` (409),
 * and what reading and storing throw.
 */
export async function startBackup(
	engine: Engine,
	onProgress: (progress: BackupProgress) => void = () => {},
): Promise<BackupStep> {
	const { encoding = PLAIN, keys = [], budget, now } = engine;
	if (keys.length === 0 && (budget || encoding.recipients.length > 0)) {
		throw new Error('Tickets, and digests of encrypted backups, need a key.');
	}
	const startedAt = now();
	const name = backupName('full', new Date(startedAt));
	const lock = await acquireLock(engine, 'backup', name);
	const job: Job = {
		...{ name, step: 1, startedAt, attempts: 1, encoding },
		...NOTHING_DONE,
		cost: { queries: 0, rowsRead: 0 },
	};
	return takeStep(engine, lock, job, onProgress);
}

/**
 * Goes on with a backup that an earlier call has left off. A ticket is good for one step of one
 * backup; where that is done already, its answer is given once more.
 *
 * Throws LifeboatError: `ticket_invalid` or `ticket_expired` (403), `ticket_spent` (409),
 * `backup_running` (409) while the step is being taken, and what {@link startBackup} throws. After
 * what is worth another try (`retryable`, and anything unforeseen) the same ticket is still good.
 */
export async function resumeBackup(
	engine: Engine,
	ticket: string,
	onProgress: (progress: BackupProgress) => void = () => {},
): Promise<BackupStep> {
	const { bucket, keys = [], now } = engine;
	const { name, step } = await readTicket(keys, ticket, now());
	const held = await readLock(bucket, 'backup');
	// The manifest decides: where it is written there is no step left to take, whatever the lock says.
	const manifest = await findManifest(bucket, name, keys);
	if (manifest) {
		if (held?.name === name) await finishCommitted(engine, held, manifest, onProgress);
		return { manifest };
	}
	const job = await heldJob(engine, held, name);
	const [key] = keys;
	if (key && held?.waiting && job.step === step + 1) return ticketFor(key, job, held.until);
	if (!held || job.step !== step) throw ticketSpent();
	const lock = await takeUpLock(engine, 'backup', held);
	return takeStep(engine, lock, held.waiting ? job : doubtful(job), onProgress);
}

/** The job of that name that waits in the lock. Throws `ticket_spent` (409) where it is not there. */
async function heldJob({ keys = [] }: Engine, held: HeldLock | null, name: string): Promise<Job> {
	if (held?.name !== name || held.state === null) throw ticketSpent();
	return readJob(keys, held.state, name);
}

/** One page of the complete backups, newest first; `cursor` is null on the last page. */
export async function listBackups(
	bucket: R2Bucket,
	{
		cursor,
		limit = DEFAULT_PAGE,
	}: { cursor?: string | undefined; limit?: number | undefined } = {},
): Promise<{ backups: ListedBackup[]; cursor: string | null }> {
	const all = await listStored(bucket);
	const start = cursor === undefined ? 0 : all.findIndex((backup) => backup.name === cursor) + 1;
	if (cursor !== undefined && start === 0) throw unknownCursor();
	const backups = all.slice(start, start + limit);
	const more = start + limit < all.length;
	return { backups, cursor: more ? (backups.at(-1)?.name ?? null) : null };
}

/** What is known of a backup's file without reading it. Throws `backup_not_found` (404). */
export async function describeFile(bucket: R2Bucket, fileName: string): Promise<R2Object> {
	const file = await findFile(bucket, fileName);
	if (file === null) throw backupNotFound();
	return file;
}

/** A backup's file as it is stored, or a part of it. Throws `backup_not_found` (404). */
export async function openFile(
	bucket: R2Bucket,
	file: R2Object,
	range?: ByteRange,
): Promise<R2ObjectBody> {
	const object = await readFile(bucket, file.key, file.etag, range);
	if (object === null) throw backupNotFound();
	return object;
}

function ticketSpent(): LifeboatError {
	return new LifeboatError('The step of this ticket is over, or its backup was given up.', {
		code: 'ticket_spent',
		status: 409,
		hint: 'Use the ticket of the last answer, or begin a new backup.',
	});
}

function unknownCursor(): LifeboatError {
	return new LifeboatError('This cursor belongs to no backup.', {
		code: 'cursor_unknown',
		status: 400,
		hint: 'Leave the cursor out to begin at the newest backup.',
	});
}
