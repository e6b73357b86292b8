import type { R2Bucket, R2Object, R2ObjectBody } from '@cloudflare/workers-types';
import { LifeboatError } from '../../errors.ts';
import {
	type BackupSummary,
	type ListedBackup,
	type Manifest,
	parseManifest,
	parseSummary,
	printManifest,
	printSummary,
	summarize,
} from '../format/manifest.ts';
import { NAME_PREFIXES, manifestKey, backupOfFile } from '../format/names.ts';
import {
	parseProof,
	parseProofSummary,
	printProof,
	type Proof,
	proofKey,
	proofPrefix,
	type ProofSummary,
	summarizeProof,
} from '../format/proof.ts';
import { type BackupKey, type OpenedManifest, openManifest } from '../format/signature.ts';
import { type BucketContext, IF_ABSENT, putIf } from './conditional.ts';
import { storageCall, storageError } from './failure.ts';
import { isTombstone } from './tombstone.ts';

/** A part of a file, as R2 takes it. */
export type ByteRange = { offset: number; length: number };

/**
 * Writes the manifest, which is what makes a backup exist, unless there is one of that name or the
 * name was given up. Tells whether it was written. Throws `storage_error` (500) when R2 fails; the
 * manifest may be there then.
 */
export async function commitManifest(context: BucketContext, manifest: Manifest): Promise<boolean> {
	const summary = printSummary(manifest);
	const etag = await putIf(
		context,
		manifestKey(manifest.name),
		printManifest(manifest),
		IF_ABSENT,
		{
			httpMetadata: { contentType: 'application/json' },
			...(summary && { customMetadata: { summary } }),
		},
	);
	return etag !== null;
}

/**
 * Writes a proof beside its backup; the very same one a second time changes nothing. Throws
 * `proof_exists` (409) when there is another one from that millisecond, `storage_error` (500).
 */
export async function storeProof(context: BucketContext, proof: Proof): Promise<void> {
	const key = proofKey(proof.backup, proof.finishedAt);
	const text = printProof(proof);
	const etag = await putIf(context, key, text, IF_ABSENT, {
		httpMetadata: { contentType: 'application/json' },
		customMetadata: { summary: JSON.stringify(summarizeProof(proof)) },
	});
	if (etag === null && (await readText(context.bucket, key)) !== text) throw proofExists();
}

/** Throws `backup_exists` (409) when the bucket holds anything of a backup of that name. */
export async function requireUnused(bucket: R2Bucket, name: string): Promise<void> {
	const { objects } = await storageCall(() => bucket.list({ prefix: name, limit: 1 }));
	if (objects.length > 0) throw backupExists();
}

/**
 * All complete backups, newest first, each with its newest proofs. Other objects are passed over.
 * Metadata tells all of it; only what another tool has copied here without that is read. Nothing of
 * it is signed: whoever can write to the bucket can make it up, and {@link readManifest} tells.
 */
export async function listStored(bucket: R2Bucket): Promise<ListedBackup[]> {
	const backups: ListedBackup[] = [];
	// In the order of their keys, a manifest comes before its proofs, and those by their time.
	for await (const object of objectsOfBackups(bucket)) {
		const summary = await summaryOf(bucket, object);
		if (summary) backups.push({ ...summary, verified: null, drilled: null });
		const backup = backups.at(-1);
		const proof = backup && (await proofOf(bucket, object, backup.name));
		if (!proof) continue;
		const { kind, ...last } = proof;
		backup[kind === 'verify' ? 'verified' : 'drilled'] = last;
	}
	return backups.sort((a, b) => compare(b, a));
}

/**
 * The manifest of the backup that such a file belongs to, checked with the keys, where there are
 * any. Throws `backup_not_found` (404), `manifest_unreadable` (500), `manifest_unsigned` or
 * `manifest_forged` (422).
 */
export async function readManifest(
	bucket: R2Bucket,
	fileName: string,
	keys: readonly BackupKey[] = [],
): Promise<OpenedManifest> {
	const name = backupOfFile(fileName);
	const text = name === null ? undefined : await readText(bucket, manifestKey(name));
	if (text === undefined || isTombstone(text)) throw backupNotFound();
	const opened = openManifest(text, keys);
	if (opened.manifest.name !== name) throw backupNotFound();
	return opened;
}

/** The same, but null where there is no such backup. Throws what else {@link readManifest} throws. */
export async function findManifest(
	bucket: R2Bucket,
	name: string,
	keys: readonly BackupKey[] = [],
): Promise<Manifest | null> {
	try {
		return (await readManifest(bucket, manifestKey(name), keys)).manifest;
	} catch (error) {
		if (error instanceof LifeboatError && error.code === 'backup_not_found') return null;
		throw error;
	}
}

/** The bytes of a volume, as stored; null when it is gone. Reading throws `storage_error` (500). */
export async function readVolume(
	bucket: R2Bucket,
	key: string,
): Promise<AsyncIterable<Uint8Array> | null> {
	const object = await storageCall(() => bucket.get(key));
	return object && chunks(object);
}

/**
 * A file of a complete backup: its metadata alone, or with its body. Null when the name is none of
 * ours, or when the backup has no manifest.
 */
export async function findFile(bucket: R2Bucket, fileName: string): Promise<R2Object | null> {
	const name = backupOfFile(fileName);
	if (name === null) return null;
	const [file, manifest] = await storageCall(() =>
		Promise.all([bucket.head(fileName), bucket.head(manifestKey(name))]),
	);
	return manifest === null || isTombstone(manifest) ? null : file;
}

/** The bytes of a file, or of a part of it; null when it is gone, or no longer the one named by `etag`. */
export async function readFile(
	bucket: R2Bucket,
	fileName: string,
	etag: string,
	range?: ByteRange,
): Promise<R2ObjectBody | null> {
	const options = { onlyIf: { etagMatches: etag }, ...(range && { range }) };
	const object = await storageCall(() => bucket.get(fileName, options));
	return object !== null && 'body' in object ? object : null;
}

/** Every object of every backup, in the order of their keys. Throws `storage_error` (500). */
export async function* objectsOfBackups(bucket: R2Bucket): AsyncGenerator<R2Object> {
	for (const prefix of NAME_PREFIXES) {
		let cursor: string | undefined;
		do {
			const options = { prefix, include: ['customMetadata' as const], ...(cursor && { cursor }) };
			const page = await storageCall(() => bucket.list(options));
			yield* page.objects;
			cursor = page.truncated ? page.cursor : undefined;
		} while (cursor);
	}
}

/** What the list shows of a manifest; null for another object, and for a manifest that is none. */
async function summaryOf(bucket: R2Bucket, object: R2Object): Promise<BackupSummary | null> {
	const name = backupOfFile(object.key);
	if (name === null || object.key !== manifestKey(name) || isTombstone(object)) return null;
	const summary =
		parseSummary(object.customMetadata?.['summary']) ?? (await readSummary(bucket, object));
	return summary?.name === name ? summary : null;
}

async function readSummary(bucket: R2Bucket, { key }: R2Object): Promise<BackupSummary | null> {
	const text = await readText(bucket, key);
	try {
		return summarize(parseManifest(text ?? ''));
	} catch {
		return null; // no manifest of ours, so no backup
	}
}

/** What the list shows of a proof of this backup; null for another object, and for no proof. */
async function proofOf(
	bucket: R2Bucket,
	{ key, customMetadata }: R2Object,
	name: string,
): Promise<ProofSummary | null> {
	if (backupOfFile(key) !== name || !key.startsWith(proofPrefix(name))) return null;
	const summary = parseProofSummary(customMetadata?.['summary']);
	if (summary) return summary;
	const proof = parseProof(await readText(bucket, key));
	return proof?.backup === name ? summarizeProof(proof) : null;
}

function readText(bucket: R2Bucket, key: string): Promise<string | undefined> {
	return storageCall(async () => (await bucket.get(key))?.text());
}

async function* chunks({ body }: R2ObjectBody): AsyncGenerator<Uint8Array> {
	try {
		yield* body;
	} catch (error) {
		throw storageError(error);
	}
}

function compare(a: BackupSummary, b: BackupSummary): number {
	if (a.startedAt !== b.startedAt) return a.startedAt < b.startedAt ? -1 : 1;
	return a.name < b.name ? -1 : 1;
}

function backupExists(): LifeboatError {
	return new LifeboatError('A backup of this name exists already.', {
		code: 'backup_exists',
		status: 409,
		hint: 'Nothing was changed. Try again: the next one has another name.',
		retryable: true,
	});
}

function proofExists(): LifeboatError {
	return new LifeboatError('There is another proof of this backup from the same millisecond.', {
		code: 'proof_exists',
		status: 409,
		hint: 'Nothing was changed. Try again: the next one has another time.',
		retryable: true,
	});
}

/** `backup_not_found` (404): no complete backup has such a file. */
export function backupNotFound(): LifeboatError {
	return new LifeboatError('There is no such backup.', {
		code: 'backup_not_found',
		status: 404,
		hint: 'GET /api/backup lists the files that there are.',
	});
}
