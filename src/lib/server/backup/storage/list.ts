import { toLifeboatError } from '../../errors.ts';
import type { R2Bucket, R2Object } from '../../platform.ts';
import {
	type BackupSummary,
	type ListedBackup,
	parseManifest,
	parseSummary,
	summarize,
} from '../format/manifest.ts';
import { backupOfFile, manifestKey, NAME_PREFIXES, startOf } from '../format/names.ts';
import { proofKey, proofPrefix, type ProofSummary, summarizeProof } from '../format/proof.ts';
import {
	type BackupKey,
	isSignedSummary,
	openManifest,
	openProof,
	openProofSummary,
} from '../format/signature.ts';
import { readManifest, readText } from './bucket.ts';
import { withProblems } from './chains.ts';
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

/** Which backups to list, by default all: those that started at `since` or later, and those named. */
export interface Part {
	/** Milliseconds since 1970. */
	since?: number | undefined;
	/** Names of backups that started before. */
	named?: readonly string[] | undefined;
}

/** Milliseconds that the clock of another machine may be ahead. */
export const MAX_CLOCK_DRIFT_MS = 5 * 60_000;

/** Manifests that are read to find the app's own: an attacker may have planted any number. */
const MAX_READ = 5;
/** Codes of errors that mean that a manifest is not the app's own. */
export const NOT_OURS = [
	'backup_not_found',
	'manifest_elsewhere',
	'manifest_forged',
	'manifest_unreadable',
	'manifest_unsigned',
];

/**
 * All complete backups, newest first, each with its latest proofs; those that started at `since` or later,
 * in milliseconds since 1970, if that is given. They are read from metadata; only
 * objects that another tool has copied without metadata are opened. Proofs are signed, and the time of
 * a backup is that in its name; one from the future is nobody's backup, and not listed. Where `signed` is
 * not true, the rest may be forged: `checkSigned` and `newestSigned` find out. Throws `storage_error` (500).
 */
export async function listStored(
	context: ListContext,
	{ since }: { since?: number } = {},
): Promise<ListedBackup[]> {
	const latest = latestOf(context);
	const backups = await listDated(context, { since });
	return backups.filter(({ startedAt }) => Date.parse(startedAt) <= latest);
}

/**
 * Like {@link listStored}, with those from the future, and those that are named: one call of R2 each. `see`
 * gets every object on the way.
 */
export async function listDated(
	context: ListContext,
	{ since, named = [], see = () => {} }: Part & { see?: (object: R2Object) => void },
): Promise<ListedBackup[]> {
	const backups: ListedBackup[] = [];
	const latest = latestOf(context);
	// In the order of their keys, a manifest comes before its proofs, and an older proof before a newer.
	for await (const object of listBackupObjects(context.bucket, { since, named })) {
		see(object);
		const listed = await summaryOf(context, object);
		if (listed) backups.push({ ...listed, verified: null, drilled: null });
		const backup = backups.at(-1);
		const proof = backup && (await proofOf(context, object, backup.name));
		if (!proof || Date.parse(proof.at) > latest) continue;
		const { kind, ...last } = proof;
		backup[kind === 'verify' ? 'verified' : 'drilled'] = last;
	}
	const isKnown = (name: string) =>
		since === undefined || startOf(name) >= since || named.includes(name);
	return withProblems(backups, isKnown).sort((a, b) => compare(b, a));
}

/**
 * The backups, newest first, with `signed` known for all but those for which more than `most` manifests
 * would have to be read. Throws `storage_error` (500).
 */
export async function checkSigned(
	context: ManifestContext,
	backups: readonly ListedBackup[],
	most: number,
): Promise<ListedBackup[]> {
	const unknown = backups.filter(({ signed }) => signed === null).slice(0, most);
	const checked = new Map<string, ListedBackup>();
	for (const backup of unknown) checked.set(backup.name, await asSigned(context, backup));
	return backups.map((backup) => checked.get(backup.name) ?? backup);
}

/**
 * The first of these backups that the app itself has made; undefined if there is none among the first few
 * whose manifests have to be read for that. Throws `storage_error` (500).
 */
export async function newestSigned(
	context: ManifestContext,
	backups: ListedBackup[],
): Promise<ListedBackup | undefined> {
	let read = 0;
	for (const backup of backups) {
		if (backup.signed === null && read++ >= MAX_READ) continue;
		const checked = backup.signed === null ? await asSigned(context, backup) : backup;
		if (checked.signed) return checked;
	}
	return undefined;
}

type ManifestContext = Pick<ListContext, 'bucket' | 'keys'>;

/** The backup as its manifest describes it if that is signed, else as it is. Throws `storage_error` (500). */
async function asSigned(
	{ bucket, keys }: ManifestContext,
	backup: ListedBackup,
): Promise<ListedBackup> {
	try {
		const { manifest } = await readManifest(bucket, manifestKey(backup.name), keys);
		return { ...backup, ...summarize(manifest), startedAt: backup.startedAt, signed: true };
	} catch (error) {
		if (!NOT_OURS.includes(toLifeboatError(error).code)) throw error;
		return { ...backup, signed: false };
	}
}

/** Milliseconds since 1970: what is later is from the future. */
function latestOf({ now }: ListContext): number {
	return now() + MAX_CLOCK_DRIFT_MS;
}

/**
 * Every object of every backup, or of a part of them, each kind in the order of keys. Throws `storage_error`
 * (500).
 */
export async function* listBackupObjects(
	bucket: R2Bucket,
	{ since, named = [] }: Part = {},
): AsyncGenerator<R2Object> {
	for (const name of named) yield* listObjects(bucket, `${name}.`);
	const start = since === undefined ? '' : new Date(since).toISOString();
	for (const prefix of NAME_PREFIXES) {
		yield* listObjects(bucket, prefix, start === '' ? undefined : prefix + start);
	}
}

/**
 * Every object whose key has this prefix and comes after `startAfter`, in the order of keys. Throws
 * `storage_error` (500).
 */
export async function* listObjects(
	bucket: R2Bucket,
	prefix: string,
	startAfter?: string,
): AsyncGenerator<R2Object> {
	const include: ['customMetadata'] = ['customMetadata'];
	let cursor: string | undefined;
	do {
		const place = cursor ? { cursor } : startAfter !== undefined && { startAfter };
		const options = { prefix, include, ...place };
		const page = await storageCall(() => bucket.list(options));
		yield* page.objects;
		cursor = page.truncated ? page.cursor : undefined;
	} while (cursor);
}

/** A backup without its proofs. */
type Listed = Omit<ListedBackup, 'verified' | 'drilled'>;

/** What a manifest's object says; null for any other object, and for a manifest that is not valid. */
async function summaryOf(
	{ bucket, keys }: ManifestContext,
	object: R2Object,
): Promise<Listed | null> {
	const name = backupOfFile(object.key);
	if (name === null || object.key !== manifestKey(name) || isTombstone(object)) return null;
	const stored = object.customMetadata?.['summary'];
	const summary = parseSummary(stored);
	const listed =
		summary && stored !== undefined
			? { ...summary, signed: isSignedSummary(stored, object.etag, keys) || null }
			: await readSummary(bucket, object, keys);
	if (listed?.name !== name) return null;
	const start = startOf(name);
	return Number.isNaN(start) ? null : { ...listed, startedAt: new Date(start).toISOString() };
}

async function readSummary(
	bucket: R2Bucket,
	{ key }: R2Object,
	keys: readonly BackupKey[],
): Promise<Listed | null> {
	const text = (await readText(bucket, key)) ?? '';
	try {
		return { ...summarize(parseManifest(text)), signed: isOurs(text, keys) };
	} catch {
		return null; // not a manifest of ours, so not a backup
	}
}

function isOurs(text: string, keys: readonly BackupKey[]): boolean {
	try {
		openManifest(text, keys);
		return true;
	} catch {
		return false;
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
