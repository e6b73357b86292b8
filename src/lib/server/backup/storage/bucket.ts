import { createHash } from 'node:crypto';
import { LifeboatError } from '../../errors.ts';
import type { R2Bucket, R2Object, R2ObjectBody } from '../../platform.ts';
import { type Manifest, printManifest } from '../format/manifest.ts';
import { backupOfFile, manifestKey } from '../format/names.ts';
import { openParent, type Parent } from '../format/parent.ts';
import { printProof, type Proof, proofKey, summarizeProof } from '../format/proof.ts';
import {
	type BackupKey,
	type OpenedManifest,
	openManifest,
	printProofSummary,
	printSignedSummary,
	signProof,
} from '../format/signature.ts';
import { type BucketContext, IF_ABSENT, putIf } from './conditional.ts';
import { storageCall, storageError } from './failure.ts';
import { isTombstone } from './tombstone.ts';

/** A part of a file, as R2 takes it. */
export interface ByteRange {
	offset: number;
	length: number;
}

/** A place in an object, and how many bytes to read from there; without a length all that follow. */
export interface StoredRange {
	offset: number;
	length?: number;
}

const JSON_TYPE = { contentType: 'application/json' };

/**
 * Writes the manifest, which makes the backup exist, unless its key is taken: by a manifest, or by the
 * tombstone of an abandoned backup. Returns whether it was written. Throws `storage_error` (500) if R2
 * fails; the manifest may exist then.
 */
export async function commitManifest(
	{ signer, ...context }: BucketContext & { signer: BackupKey | null },
	manifest: Manifest,
): Promise<boolean> {
	const body = printManifest(manifest);
	const summary = printSignedSummary(manifest, etagOf(body), signer);
	const etag = await putIf(context, {
		key: manifestKey(manifest.name),
		body,
		onlyIf: IF_ABSENT,
		metadata: { httpMetadata: JSON_TYPE, ...(summary && { customMetadata: { summary } }) },
	});
	return etag !== null;
}

/**
 * Signs a proof, stores it next to its backup and returns it; storing the same one again changes
 * nothing. Throws `proof_exists` (409) if there is another one of the same millisecond,
 * `storage_error` (500).
 */
export async function storeProof(
	{ signer, ...context }: BucketContext & { signer: BackupKey | null },
	found: Proof,
): Promise<Proof> {
	const proof = signer ? signProof(found, signer) : found;
	const key = proofKey(proof.backup, proof.finishedAt);
	const text = printProof(proof);
	const etag = await putIf(context, {
		key,
		body: text,
		onlyIf: IF_ABSENT,
		metadata: {
			httpMetadata: JSON_TYPE,
			customMetadata: { summary: printProofSummary(proof.backup, summarizeProof(proof), signer) },
		},
	});
	if (etag === null && (await readText(context.bucket, key)) !== text) throw proofExists();
	return proof;
}

/** Throws `backup_exists` (409) if the bucket has any object of a backup of this name. */
export async function requireUnused(bucket: R2Bucket, name: string): Promise<void> {
	const { objects } = await storageCall(() => bucket.list({ prefix: name, limit: 1 }));
	if (objects.length > 0) throw backupExists();
}

/**
 * The manifest of the backup that a file belongs to, checked with the keys if there are any. Throws
 * `backup_not_found` (404), `manifest_unreadable` (500), `manifest_unsigned` or `manifest_forged` (422).
 */
export async function readManifest(
	bucket: R2Bucket,
	fileName: string,
	keys: readonly BackupKey[],
): Promise<OpenedManifest> {
	const name = backupOfFile(fileName);
	const text = name === null ? undefined : await readText(bucket, manifestKey(name));
	if (text === undefined || isTombstone(text)) throw backupNotFound();
	const opened = openManifest(text, keys);
	if (opened.manifest.name !== name) throw backupNotFound();
	return opened;
}

/**
 * The parent of the backup with this manifest, checked with the keys, or why there is none to be had; null
 * for a full backup. Throws `storage_error` (500).
 */
export async function readParentOf(
	bucket: R2Bucket,
	manifest: Manifest,
	keys: readonly BackupKey[],
): Promise<Parent> {
	if (manifest.parent === null) return null;
	const text = await readText(bucket, manifestKey(manifest.parent));
	const stored = text !== undefined && isTombstone(text) ? undefined : text;
	return openParent(manifest, stored, (found) => openManifest(found, keys));
}

/** Like {@link readManifest}, but null if there is no such backup. */
export async function findManifest(
	bucket: R2Bucket,
	name: string,
	keys: readonly BackupKey[],
): Promise<Manifest | null> {
	try {
		return (await readManifest(bucket, manifestKey(name), keys)).manifest;
	} catch (error) {
		if (error instanceof LifeboatError && error.code === 'backup_not_found') return null;
		throw error;
	}
}

/**
 * The bytes of a volume as stored, or of a range of it, which is empty if the volume is shorter; null if
 * it does not exist. Reading throws `storage_error` (500).
 */
export async function readVolume(
	bucket: R2Bucket,
	key: string,
	range?: StoredRange,
): Promise<AsyncIterable<Uint8Array> | null> {
	const object = await storageCall(() => (range ? readRange(bucket, key, range) : bucket.get(key)));
	if (object === 'beyond') return chunks();
	return object && chunks(object);
}

async function readRange(
	bucket: R2Bucket,
	key: string,
	range: StoredRange,
): Promise<R2ObjectBody | 'beyond' | null> {
	try {
		const object = await bucket.get(key, { range });
		return object !== null && 'body' in object ? object : null;
	} catch (error) {
		// The range begins behind the end (R2 > Error codes, 10039).
		if (error instanceof Error && error.message.includes('(10039)')) return 'beyond';
		throw error;
	}
}

/** The metadata of a file of a complete backup; null if it is not one. Throws `storage_error` (500). */
export async function findFile(bucket: R2Bucket, fileName: string): Promise<R2Object | null> {
	const name = backupOfFile(fileName);
	if (name === null) return null;
	const [file, manifest] = await storageCall(() =>
		Promise.all([bucket.head(fileName), bucket.head(manifestKey(name))]),
	);
	return manifest === null || isTombstone(manifest) ? null : file;
}

/**
 * The body of a file, or of a part of it; null if it no longer exists, or was replaced since its
 * metadata was read. Throws `storage_error` (500).
 */
export async function readFile(
	bucket: R2Bucket,
	{ key, etag }: R2Object,
	range: ByteRange | undefined,
): Promise<R2ObjectBody | null> {
	const options = { onlyIf: { etagMatches: etag }, ...(range && { range }) };
	const object = await storageCall(() => bucket.get(key, options));
	return object !== null && 'body' in object ? object : null;
}

/** The text of an object; undefined if there is none. Throws `storage_error` (500). */
export function readText(bucket: R2Bucket, key: string): Promise<string | undefined> {
	return storageCall(async () => (await bucket.get(key))?.text());
}

/** The etag of an object that is stored in one put: its MD5 (R2 > S3 API compatibility). */
function etagOf(body: string): string {
	return createHash('md5').update(body).digest('hex');
}

async function* chunks(object?: R2ObjectBody): AsyncGenerator<Uint8Array> {
	try {
		if (object) yield* object.body;
	} catch (error) {
		throw storageError(error);
	}
}

function backupExists(): LifeboatError {
	return new LifeboatError('There is already a backup of this name.', {
		code: 'backup_exists',
		status: 409,
		hint: 'Nothing was changed. Try again: the next backup gets another name.',
		retryable: true,
	});
}

function proofExists(): LifeboatError {
	return new LifeboatError('There is another proof of this backup from the same millisecond.', {
		code: 'proof_exists',
		status: 409,
		hint: 'Nothing was changed. Try again: the next proof gets another time.',
		retryable: true,
	});
}

/** `backup_not_found` (404): no complete backup has this file. */
export function backupNotFound(): LifeboatError {
	return new LifeboatError('There is no such backup.', {
		code: 'backup_not_found',
		status: 404,
		hint: 'GET /api/backup lists the existing files.',
	});
}
