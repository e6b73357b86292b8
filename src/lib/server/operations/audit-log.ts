import type { R2Bucket } from '@cloudflare/workers-types';
import * as v from 'valibot';
import { storageCall } from '../backup/storage/failure.ts';
import type { Environment } from '../environment.ts';

const PREFIX = 'journal/';
/** R2 lists keys in their order: counted down from here, in 2286, the newest come first. */
const LAST_MS = 9_999_999_999_999;
/** Entries that R2 deletes at once (R2 > Workers API reference). */
const MAX_KEYS = 1000;
/** Deletions of one call: the free plan has 50 calls of R2 and D1 for each call of the app. */
const MAX_DELETIONS = 5;

const Count = v.pipe(v.number(), v.minValue(0));

const EntrySchema = v.object({
	/** When it ended, in UTC with milliseconds. */
	time: v.string(),
	/** What was asked for: `backup`, `list`, `verify` … */
	operation: v.string(),
	/** `refused`: nothing was tried. `failed`: it was, in vain. */
	outcome: v.picklist(['done', 'refused', 'failed']),
	/** The code of the error. */
	code: v.optional(v.string()),
	/** HTTP status of the answer; of a long answer the one that its error would have. */
	status: v.optional(Count),
	durationMs: v.optional(Count),
	/** Name of the backup that it was about, or of its file. */
	backup: v.optional(v.string()),
	rows: v.optional(Count),
	/** Bytes: of SQL for what makes or proves a backup, of the file for what fetches one. */
	bytes: v.optional(Count),
	/** A code of TOTP_SECRET_PREVIOUS was used. */
	previousSecret: v.optional(v.boolean()),
	caller: v.object({
		/** `stranger`: whoever it is has not shown it. */
		kind: v.picklist(['stranger', 'code', 'token', 'administrator', 'app']),
		address: v.string(),
	}),
});

/** One line of the journal. Never a secret, a code, a row, or what a stranger has sent. */
export type Entry = v.InferOutput<typeof EntrySchema>;

/** Entries, newest first; `before` is where the next page begins, null at the end. */
export interface AuditLogPage {
	entries: Entry[];
	before: string | null;
}

/** What `before` may be. */
export const AuditLogCursor = v.pipe(v.string(), v.regex(/^\d{13}-[\w.-]+$/));

/** Where the journal is: in MY_LOGS_BUCKET where there is one, else beside the backups. */
export function auditLogBucket(env: Environment | undefined): R2Bucket | undefined {
	return env?.MY_LOGS_BUCKET ?? env?.MY_BUCKET;
}

/**
 * Writes an entry down: on the console as a JSON object, for the log of the platform, and into the
 * bucket, if there is one. Never throws: what it is about has happened, and must not fail for its sake.
 */
export async function record(bucket: R2Bucket | undefined, entry: Entry): Promise<void> {
	const line = JSON.stringify(entry);
	console.log(line);
	const key = `${keyAt(Date.parse(entry.time))}-${crypto.randomUUID()}`;
	const httpMetadata = { contentType: 'application/json' };
	try {
		// As metadata as well, because a list has that with it.
		await bucket?.put(key, `${line}\n`, { httpMetadata, customMetadata: { entry: line } });
	} catch (error) {
		console.error('The journal could not be written:', error);
	}
}

/**
 * A page of the journal, without entries from before `since`, in milliseconds since 1970: a lock rule
 * may keep them in the bucket. Throws `storage_error` (500).
 */
export async function readAuditLog(
	bucket: R2Bucket,
	{ before, limit, since = 0 }: { before?: string | undefined; limit: number; since?: number },
): Promise<AuditLogPage> {
	const startAfter = before === undefined ? {} : { startAfter: PREFIX + before };
	const include = ['customMetadata' as const];
	const page = await storageCall(() =>
		bucket.list({ prefix: PREFIX, limit, include, ...startAfter }),
	);
	const young = page.objects.filter(({ key }) => key <= endOf(since));
	const last = page.truncated && young.length === page.objects.length ? young.at(-1) : undefined;
	return {
		entries: young.flatMap(({ customMetadata }) => parse(customMetadata?.['entry'])),
		before: last ? last.key.slice(PREFIX.length) : null,
	};
}

/**
 * Removes entries from before a moment, in milliseconds since 1970. Of very many some stay for the
 * next call. Throws `storage_error` (500).
 */
export async function pruneAuditLog(bucket: R2Bucket, since: number): Promise<void> {
	for (let deletions = 0; deletions < MAX_DELETIONS; deletions++) {
		const { objects, truncated } = await storageCall(() =>
			bucket.list({ prefix: PREFIX, startAfter: endOf(since), limit: MAX_KEYS }),
		);
		if (objects.length > 0) await storageCall(() => bucket.delete(objects.map(({ key }) => key)));
		if (!truncated) return;
	}
}

/** Behind all keys of a moment's entries and of newer ones, before those of older ones. */
function endOf(milliseconds: number): string {
	return `${keyAt(milliseconds)}~`;
}

/** What the keys of a moment's entries begin with. */
function keyAt(milliseconds: number): string {
	return PREFIX + String(LAST_MS - milliseconds).padStart(13, '0');
}

/** None for what is no entry of ours. */
function parse(text: string | undefined): Entry[] {
	const result = v.safeParse(v.pipe(v.string(), v.parseJson(), EntrySchema), text);
	return result.success ? [result.output] : [];
}
