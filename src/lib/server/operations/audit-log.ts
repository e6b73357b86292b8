import * as v from 'valibot';
import type { BackupSummary } from '../backup/format/manifest.ts';
import { MAX_KEYS_PER_DELETE } from '../backup/limits.ts';
import { storageCall } from '../backup/storage/failure.ts';
import type { Environment } from '../environment.ts';
import type { R2Bucket } from '../platform.ts';

const PREFIX = 'journal/';
/** R2 lists keys in ascending order: counted down from here, in 2286, the newest entries come first. */
const LAST_MS = 9_999_999_999_999;
/** Deletions in one call: on the free plan a call of the app has 50 calls of R2 and D1. */
const MAX_DELETIONS = 5;

const Count = v.pipe(v.number(), v.minValue(0));

const EntrySchema = v.object({
	/** When the call ended, in UTC with milliseconds. */
	time: v.string(),
	/** The requested operation: `backup`, `list`, `verify` … */
	operation: v.string(),
	/** `refused` calls were not attempted, `failed` ones were. */
	outcome: v.picklist(['done', 'refused', 'failed']),
	/** The code of the error. */
	code: v.optional(v.string()),
	/** HTTP status of the answer; for a stream, the status that its error would have. */
	status: v.optional(Count),
	durationMs: v.optional(Count),
	/** The database, where the app has several. */
	database: v.optional(v.string()),
	/** Name of the backup, or of its file. */
	backup: v.optional(v.string()),
	/** The full backup whose slices were fetched too. */
	parent: v.optional(v.string()),
	/** Names of backups that are about to be marked or removed. */
	backups: v.optional(v.array(v.string())),
	rows: v.optional(Count),
	/** Bytes: of SQL if a backup was made or proven, of the file if it was fetched. */
	bytes: v.optional(Count),
	/** How long other queries waited, in milliseconds, if the backup that was made is staged. */
	waitedMs: v.optional(Count),
	/** Warnings of the backup that was made, if it has any. */
	warnings: v.optional(Count),
	/** Whether a code of TOTP_SECRET_PREVIOUS was used. */
	previousSecret: v.optional(v.boolean()),
	caller: v.object({
		/** `stranger`: the caller has not authenticated. */
		kind: v.picklist(['stranger', 'code', 'token', 'administrator', 'app']),
		address: v.string(),
		/** The numeric id of an administrator's GitHub account. */
		account: v.optional(v.string()),
	}),
});

/** An entry of the audit log. It never contains a secret, a code, a row, or input of a stranger. */
export type Entry = v.InferOutput<typeof EntrySchema>;

/** What an entry says about a backup that was made. */
export function factsOf(backup: BackupSummary): Partial<Entry> {
	const { name, rows, sqlBytes: bytes, waitedMs, warnings } = backup;
	return {
		backup: name,
		rows,
		bytes,
		...(waitedMs !== undefined && { waitedMs }),
		...(warnings > 0 && { warnings }),
	};
}

/** Entries, newest first; `before` is the cursor of the next page, null on the last one. */
export interface AuditLogPage {
	entries: Entry[];
	before: string | null;
}

/** Which part of the audit log to read. */
export interface AuditLogQuery {
	before?: string | undefined;
	limit: number;
	/** Older entries are left out, in milliseconds since 1970: a lock rule may keep them in the bucket. */
	since?: number;
}

/** The form of `before`. */
export const AuditLogCursor = v.pipe(v.string(), v.regex(/^\d{13}-[\w.-]+$/));

/** The bucket of the audit log: MY_LOGS_BUCKET, or else the one of the backups. */
export function auditLogBucket(env: Environment | undefined): R2Bucket | undefined {
	return env?.MY_LOGS_BUCKET ?? env?.MY_BUCKET;
}

/**
 * Writes an entry as JSON to the console, for the platform's log, and to the bucket if there is one.
 * Never throws: a call that has happened must not fail because it could not be recorded.
 */
export async function record(bucket: R2Bucket | undefined, entry: Entry): Promise<void> {
	try {
		await recordFirst(bucket, entry);
	} catch (error) {
		console.error('The audit log could not be written:', error);
	}
}

/** Like {@link record}, for what must not happen unless it is recorded. Throws `storage_error` (500). */
export async function recordFirst(bucket: R2Bucket | undefined, entry: Entry): Promise<void> {
	const line = JSON.stringify(entry);
	console.log(line);
	const key = `${keyAt(Date.parse(entry.time))}-${crypto.randomUUID()}`;
	const metadata = {
		httpMetadata: { contentType: 'application/json' },
		customMetadata: { entry: line }, // a list includes it
	};
	await storageCall(async () => bucket?.put(key, `${line}\n`, metadata));
}

/** One page of the audit log. Throws `storage_error` (500). */
export async function readAuditLog(
	bucket: R2Bucket,
	{ before, limit, since = 0 }: AuditLogQuery,
): Promise<AuditLogPage> {
	const include: ['customMetadata'] = ['customMetadata'];
	const startAfter = before === undefined ? {} : { startAfter: PREFIX + before };
	const page = await storageCall(() =>
		bucket.list({ prefix: PREFIX, limit, include, ...startAfter }),
	);
	const recent = page.objects.filter(({ key }) => key <= endOf(since));
	const hasMore = page.truncated && recent.length === page.objects.length;
	const last = hasMore ? recent.at(-1) : undefined;
	return {
		entries: recent.flatMap(({ customMetadata }) => parse(customMetadata?.['entry'])),
		before: last ? last.key.slice(PREFIX.length) : null,
	};
}

/**
 * Removes entries from before a time, in milliseconds since 1970. Returns whether that was all of them:
 * if there are very many, some are left for the next call. Throws `storage_error` (500).
 */
export async function pruneAuditLog(bucket: R2Bucket, since: number): Promise<boolean> {
	for (let deletions = 0; deletions < MAX_DELETIONS; deletions++) {
		const { objects, truncated } = await storageCall(() =>
			bucket.list({ prefix: PREFIX, startAfter: endOf(since), limit: MAX_KEYS_PER_DELETE }),
		);
		if (objects.length > 0) await storageCall(() => bucket.delete(objects.map(({ key }) => key)));
		if (!truncated) return true;
	}
	return false;
}

/** Sorts after the entries of this time and newer ones, and before older ones. */
function endOf(milliseconds: number): string {
	return `${keyAt(milliseconds)}~`;
}

/** The first part of the keys of all entries of this time. */
function keyAt(milliseconds: number): string {
	return PREFIX + String(LAST_MS - milliseconds).padStart(13, '0');
}

/** Empty if the text is not an entry. */
function parse(text: string | undefined): Entry[] {
	const result = v.safeParse(v.pipe(v.string(), v.parseJson(), EntrySchema), text);
	return result.success ? [result.output] : [];
}
