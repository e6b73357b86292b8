import type { R2Bucket, R2Object, R2ObjectBody } from '@cloudflare/workers-types';
import { LifeboatError } from '../../errors.ts';
import {
	backupOfFile,
	type BackupSummary,
	type Manifest,
	manifestKey,
	NAME_PREFIXES,
	parseManifest,
	parseSummary,
	printManifest,
	summarize,
	volumeKey,
} from '../manifest.ts';
import { storageCall, tryRepeatedly } from './failure.ts';

/** Volumes that an abandoned backup may have left, at most. */
const MAX_LEFT_VOLUMES = 100;

/** A part of a file, as R2 takes it. */
export type ByteRange = { offset: number; length: number };

/**
 * Writes the manifest, which is what makes a backup exist. Throws `backup_exists` (409) when there
 * is one of that name, `storage_error` (500) when R2 fails; the manifest is gone again then.
 */
export async function commitManifest(bucket: R2Bucket, manifest: Manifest): Promise<void> {
	const key = manifestKey(manifest.name);
	const stored = await storageCall(async () => {
		try {
			return await bucket.put(key, printManifest(manifest), {
				onlyIf: { etagDoesNotMatch: '*' },
				httpMetadata: { contentType: 'application/json' },
				customMetadata: { summary: JSON.stringify(summarize(manifest)) },
			});
		} catch (error) {
			// A call that failed on its way back may have stored it.
			await tryRepeatedly(() => bucket.delete(key));
			throw error;
		}
	});
	if (stored === null) throw backupExists();
}

/** Throws `backup_exists` (409) when the bucket holds anything of a backup of that name. */
export async function requireUnused(bucket: R2Bucket, name: string): Promise<void> {
	const { objects } = await storageCall(() => bucket.list({ prefix: name, limit: 1 }));
	if (objects.length > 0) throw backupExists();
}

/** Removes the volumes of a backup that never got its manifest; leaves a complete one alone. */
export async function removeAbandoned(bucket: R2Bucket, name: string): Promise<void> {
	await storageCall(async () => {
		if ((await bucket.head(manifestKey(name))) !== null) return;
		const keys = Array.from({ length: MAX_LEFT_VOLUMES }, (_, index) => volumeKey(name, index + 1));
		await bucket.delete(keys);
	});
}

/** The summaries of all complete backups, newest first. Other objects are passed over. */
export async function listSummaries(bucket: R2Bucket): Promise<BackupSummary[]> {
	const summaries: BackupSummary[] = [];
	for (const prefix of NAME_PREFIXES) {
		let cursor: string | undefined;
		do {
			const options = { prefix, include: ['customMetadata' as const], ...(cursor && { cursor }) };
			const page = await storageCall(() => bucket.list(options));
			for (const object of page.objects) {
				const summary = await summaryOf(bucket, object);
				if (summary) summaries.push(summary);
			}
			cursor = page.truncated ? page.cursor : undefined;
		} while (cursor);
	}
	return summaries.sort((a, b) => compare(b, a));
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
	return manifest === null ? null : file;
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

/** From the metadata; where another tool has copied the manifest without it, from its text. */
async function summaryOf(bucket: R2Bucket, object: R2Object): Promise<BackupSummary | null> {
	const name = backupOfFile(object.key);
	if (name === null || object.key !== manifestKey(name)) return null;
	const summary =
		parseSummary(object.customMetadata?.['summary']) ?? (await readSummary(bucket, object));
	return summary?.name === name ? summary : null;
}

async function readSummary(bucket: R2Bucket, { key }: R2Object): Promise<BackupSummary | null> {
	const text = await storageCall(async () => (await bucket.get(key))?.text());
	try {
		return summarize(parseManifest(text ?? ''));
	} catch {
		return null; // no manifest of ours, so no backup
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
