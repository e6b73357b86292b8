import type { R2Bucket, R2Object } from '@cloudflare/workers-types';
import {
	type BackupSummary,
	type ListedBackup,
	parseManifest,
	parseSummary,
	summarize,
} from '../format/manifest.ts';
import { backupOfFile, manifestKey, NAME_PREFIX } from '../format/names.ts';
import {
	parseProof,
	parseProofSummary,
	proofPrefix,
	type ProofSummary,
	summarizeProof,
} from '../format/proof.ts';
import { readText } from './bucket.ts';
import { storageCall } from './failure.ts';
import { isTombstone } from './tombstone.ts';

/**
 * All complete backups, newest first, each with its latest proofs. They are read from metadata; only
 * objects that another tool has copied without metadata are opened. Nothing here is signed: anyone who
 * can write to the bucket can forge an entry, which `readManifest` detects. Throws `storage_error` (500).
 */
export async function listStored(bucket: R2Bucket): Promise<ListedBackup[]> {
	const backups: ListedBackup[] = [];
	// In the order of their keys, a manifest comes before its proofs, and an older proof before a newer.
	for await (const object of listObjects(bucket, NAME_PREFIX)) {
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

/** Every object whose key has this prefix, in the order of keys. Throws `storage_error` (500). */
export async function* listObjects(bucket: R2Bucket, prefix: string): AsyncGenerator<R2Object> {
	const include: ['customMetadata'] = ['customMetadata'];
	let cursor: string | undefined;
	do {
		const options = { prefix, include, ...(cursor && { cursor }) };
		const page = await storageCall(() => bucket.list(options));
		yield* page.objects;
		cursor = page.truncated ? page.cursor : undefined;
	} while (cursor);
}

/** The summary of a manifest; null for any other object, and for a manifest that is not valid. */
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
		return null; // not a manifest of ours, so not a backup
	}
}

/** The summary of a proof of this backup; null for any other object, and for a proof that is not valid. */
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

function compare(a: BackupSummary, b: BackupSummary): number {
	if (a.startedAt !== b.startedAt) return a.startedAt < b.startedAt ? -1 : 1;
	return a.name < b.name ? -1 : 1;
}
