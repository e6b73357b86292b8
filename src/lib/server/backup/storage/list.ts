import { toLifeboatError } from '../../errors.ts';
import type { R2Bucket, R2Object } from '../../platform.ts';
import {
	type BackupSummary,
	type ListedBackup,
	parseManifest,
	parseSummary,
	summarize,
} from '../format/manifest.ts';
import { backupOfFile, manifestKey, NAME_PREFIX, startOf } from '../format/names.ts';
import { proofKey, proofPrefix, type ProofSummary, summarizeProof } from '../format/proof.ts';
import { type BackupKey, openProof, openProofSummary } from '../format/signature.ts';
import { readManifest, readText } from './bucket.ts';
import { storageCall } from './failure.ts';
import { isTombstone } from './tombstone.ts';

/** What lists are read with. */
export interface ListContext {
	bucket: R2Bucket;
	/** Only proofs that one of them signed count; without any, all do. */
	keys: readonly BackupKey[];
	/** Milliseconds since 1970. */
	now(): number;
}

/** Milliseconds that the clock of another machine may be ahead. */
export const MAX_CLOCK_DRIFT_MS = 5 * 60_000;

/** Manifests that are read to find the app's own: an attacker may have planted any number. */
const MAX_READ = 5;
/** Codes of errors that mean that a manifest is not the app's own. */
const NOT_OURS = [
	'backup_not_found',
	'manifest_elsewhere',
	'manifest_forged',
	'manifest_unreadable',
	'manifest_unsigned',
];

/**
 * All complete backups, newest first, each with its latest proofs. They are read from metadata; only
 * objects that another tool has copied without metadata are opened. Proofs are signed, and the time of
 * a backup is that in its name; one from the future is nobody's backup, and not listed. The rest is
 * not signed: anyone who can write to the bucket can forge an entry, which `readManifest` and
 * `newestSigned` detect. Throws `storage_error` (500).
 */
export async function listStored(context: ListContext): Promise<ListedBackup[]> {
	const backups: ListedBackup[] = [];
	const latest = context.now() + MAX_CLOCK_DRIFT_MS;
	// In the order of their keys, a manifest comes before its proofs, and an older proof before a newer.
	for await (const object of listObjects(context.bucket, NAME_PREFIX)) {
		const summary = await summaryOf(context.bucket, object);
		if (summary && Date.parse(summary.startedAt) <= latest) {
			backups.push({ ...summary, verified: null, drilled: null });
		}
		const backup = backups.at(-1);
		const proof = backup && (await proofOf(context, object, backup.name));
		if (!proof || Date.parse(proof.at) > latest) continue;
		const { kind, ...last } = proof;
		backup[kind === 'verify' ? 'verified' : 'drilled'] = last;
	}
	return backups.sort((a, b) => compare(b, a));
}

/**
 * The first of these backups that the app itself has made, as its signed manifest describes it;
 * undefined if there is none among the first few. Throws `storage_error` (500).
 */
export async function newestSigned(
	{ bucket, keys }: Pick<ListContext, 'bucket' | 'keys'>,
	backups: ListedBackup[],
): Promise<ListedBackup | undefined> {
	for (const backup of backups.slice(0, MAX_READ)) {
		try {
			const { manifest } = await readManifest(bucket, manifestKey(backup.name), keys);
			return { ...backup, ...summarize(manifest), startedAt: backup.startedAt };
		} catch (error) {
			if (!NOT_OURS.includes(toLifeboatError(error).code)) throw error;
		}
	}
	return undefined;
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
	if (summary?.name !== name) return null;
	const start = startOf(name);
	return Number.isNaN(start) ? null : { ...summary, startedAt: new Date(start).toISOString() };
}

async function readSummary(bucket: R2Bucket, { key }: R2Object): Promise<BackupSummary | null> {
	const text = await readText(bucket, key);
	try {
		return summarize(parseManifest(text ?? ''));
	} catch {
		return null; // not a manifest of ours, so not a backup
	}
}

/**
 * The summary of a proof of this backup; null for any other object, and for a proof that does not
 * count: an old one under a new name would hide those in between.
 */
async function proofOf(
	context: ListContext,
	{ key, customMetadata }: R2Object,
	name: string,
): Promise<ProofSummary | null> {
	if (backupOfFile(key) !== name || !key.startsWith(proofPrefix(name))) return null;
	const stored = customMetadata?.['summary'];
	const summary =
		stored === undefined
			? await readProof(context, key, name)
			: openProofSummary(name, stored, context.keys);
	return summary && key === proofKey(name, summary.at) ? summary : null;
}

async function readProof(
	{ bucket, keys }: ListContext,
	key: string,
	name: string,
): Promise<ProofSummary | null> {
	const proof = openProof(await readText(bucket, key), keys);
	return proof?.backup === name ? summarizeProof(proof) : null;
}

function compare(a: BackupSummary, b: BackupSummary): number {
	if (a.startedAt !== b.startedAt) return a.startedAt < b.startedAt ? -1 : 1;
	return a.name < b.name ? -1 : 1;
}
