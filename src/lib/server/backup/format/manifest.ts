import * as v from 'valibot';
import { LifeboatError } from '../../errors.ts';
import { MAX_METADATA_BYTES } from '../limits.ts';
import { Count, RunText, Sha256, SliceText } from './fields.ts';
import { ENCODING_NAMES, KINDS, volumeKey } from './names.ts';

/** Characters of a summary: the rest is for the names and the other entries of the metadata. */
const MAX_SUMMARY_LENGTH = MAX_METADATA_BYTES - 1_192;
/**
 * Characters of the warnings in a summary. One call of R2 lists fewer objects the more metadata they
 * have, so a list should not carry kilobytes for each backup; the manifest has all warnings.
 */
const MAX_LISTED_WARNINGS_LENGTH = 2_000;
/** The most volumes of a backup that a list names without reading the manifest. */
const MAX_VOLUMES = 100_000;

/** The version of the engine that writes manifests, the same as in package.json. */
export const ENGINE_VERSION = '0.1.0';

const Timestamp = v.pipe(v.string(), v.isoTimestamp());

/** An object in the bucket with a part of a backup's SQL. */
export const VolumeSchema = v.object({
	/** The object's name in the bucket. */
	key: v.string(),
	/** Stored bytes, and their digest. */
	bytes: Count,
	sha256: Sha256,
	/** Bytes of SQL, before any encoding. */
	sqlBytes: Count,
	encodings: v.array(v.picklist(ENCODING_NAMES)),
});

/** What a backup cost in the database. */
export const CostSchema = v.object({
	queries: Count,
	rowsRead: Count,
	/** Rows of the stage; missing without one. */
	rowsWritten: v.optional(Count),
});

const ManifestSchema = v.object({
	/** The format of this object; docs/format.md describes each. */
	format: v.picklist([1, 2]),
	name: v.string(),
	kind: v.picklist(KINDS),
	/** The full backup that a differential rests on, and the MAC of its manifest. */
	parent: v.nullable(v.string()),
	parentMac: v.optional(Sha256),
	/** The binding of the database. */
	database: v.string(),
	startedAt: Timestamp,
	finishedAt: Timestamp,
	snapshot: v.object({
		/**
		 * `atomic`: read in one transaction; `fenced`: read in several, with no write between them;
		 * `staged`: printed into a table in one transaction, and read from there.
		 */
		consistency: v.picklist(['atomic', 'fenced', 'staged']),
		/** The number of dumps that were begun; writes by others ended all but the last. */
		attempts: Count,
		/** D1's Time Travel bookmark of this state, of a staged one with its stage. */
		bookmark: v.nullable(v.string()),
		/** How long other queries waited for the stage, in milliseconds. */
		waitedMs: v.optional(Count),
	}),
	schema: v.object({ objects: Count, sha256: Sha256 }),
	tables: v.array(v.object({ name: v.string(), rows: Count, bytes: Count, sha256: Sha256 })),
	volumes: v.array(VolumeSchema),
	/** The slices in these volumes, in order (slices.ts); format 1 has none. */
	slices: v.optional(v.array(SliceText)),
	/** How a differential's SQL consists of its own slices and those of its parent. */
	order: v.optional(v.array(RunText)),
	/** Bytes of SQL of all slices; format 1 has none, because those of its volumes are all. */
	sqlBytes: v.optional(Count),
	encryption: v.nullable(v.object({ recipients: v.array(v.string()) })),
	warnings: v.array(v.string()),
	cost: v.object({ ...CostSchema.entries, durationMs: Count }),
	engine: v.object({ version: v.string() }),
	/** HMAC-SHA256 over all of the above; older manifests have none. */
	mac: v.optional(Sha256),
});

/** What was backed up, when, how consistent, with digests and sizes. It is never changed. */
export type Manifest = v.InferOutput<typeof ManifestSchema>;

/** The summary in the metadata of a manifest's object. */
const StoredSummarySchema = v.object({
	name: v.string(),
	kind: v.picklist(KINDS),
	parent: v.nullable(v.string()),
	startedAt: Timestamp,
	finishedAt: Timestamp,
	consistency: v.picklist(['atomic', 'fenced', 'staged']),
	/** How long other queries waited, in milliseconds, if it is `staged`. */
	waitedMs: v.optional(Count),
	tables: Count,
	rows: Count,
	/** Bytes of SQL, a differential's unchanged slices included. */
	sqlBytes: Count,
	/** Stored bytes of its own volumes. */
	bytes: Count,
	/** The numbers of the volumes, in order, such as `1-12,14`. */
	volumes: v.pipe(v.string(), v.regex(/^\d{1,7}(-\d{1,7})?(,\d{1,7}(-\d{1,7})?)*$/)),
	encodings: v.array(v.picklist(ENCODING_NAMES)),
	warnings: Count,
	/** The first warnings, as many as fit; older summaries have none. */
	warningTexts: v.optional(v.array(v.string())),
});
type StoredSummary = v.InferOutput<typeof StoredSummarySchema>;

/**
 * What a list says about a backup, its proofs aside. `warnings` counts all of them; `warningTexts` has
 * the first ones, and is missing if they are unknown.
 */
export type BackupSummary = Omit<StoredSummary, 'volumes' | 'encodings'> & {
	/** File names of the volumes, in order. */
	files: string[];
};

/** When a proof was made, and whether it found the backup to be good. */
export interface LastProof {
	at: string;
	proven: boolean;
	/** What was verified. */
	scope: Scope;
}

/**
 * What a proof is about: the `contents` of the backup, or only the bytes as `stored` if an
 * encrypted backup could not be opened.
 */
export type Scope = 'contents' | 'stored';

/** A backup as a list shows it, with the newest proof of each kind; null if there is none. */
export type ListedBackup = BackupSummary & {
	/**
	 * Whether the app itself has made it: true if the signature of its summary is valid, false if that of its
	 * manifest is not, null if it was not checked.
	 */
	signed: boolean | null;
	verified: LastProof | null;
	drilled: LastProof | null;
	/** Why the proofs of a differential do not count, as a sentence: because of its parent. */
	problem?: string;
};

/** The manifest as JSON, as it is stored. */
export function printManifest(manifest: Manifest): string {
	return `${JSON.stringify(manifest, null, '\t')}\n`;
}

/** Reads a stored manifest. Throws `manifest_unreadable` (500) if it is not one of format 1 or 2. */
export function parseManifest(text: string): Manifest {
	try {
		return v.parse(ManifestSchema, JSON.parse(text));
	} catch (cause) {
		throw new LifeboatError('The manifest of this backup cannot be read.', {
			code: 'manifest_unreadable',
			status: 500,
			hint: 'It was changed or written by a newer version; use another backup, or update Lifeboat.',
			cause,
		});
	}
}

/** Bytes of SQL of the whole backup, a differential's unchanged slices included. */
export function sqlBytesOf({ sqlBytes, volumes }: Manifest): number {
	return sqlBytes ?? volumes.reduce((sum, volume) => sum + volume.sqlBytes, 0);
}

/** The summary of a manifest. */
export function summarize(manifest: Manifest): BackupSummary {
	const total = (numbers: number[]) => numbers.reduce((sum, number) => sum + number, 0);
	const { consistency, waitedMs } = manifest.snapshot;
	return {
		name: manifest.name,
		kind: manifest.kind,
		parent: manifest.parent,
		startedAt: manifest.startedAt,
		finishedAt: manifest.finishedAt,
		consistency,
		...(waitedMs !== undefined && { waitedMs }),
		tables: manifest.tables.length,
		rows: total(manifest.tables.map((table) => table.rows)),
		sqlBytes: sqlBytesOf(manifest),
		bytes: total(manifest.volumes.map((volume) => volume.bytes)),
		files: manifest.volumes.map((volume) => volume.key),
		warnings: manifest.warnings.length,
		warningTexts: manifest.warnings,
	};
}

/**
 * The summary as text for the manifest's custom metadata, in ASCII. It has the numbers of the volumes
 * instead of their names, and only the first warnings, because the metadata has a limit and a backup
 * may have any number of volumes. Null if it does not fit; then the list has to read the manifest.
 */
export function printSummary(manifest: Manifest): string | null {
	const { files, ...summary } = summarize(manifest);
	const encodings = manifest.volumes[0]?.encodings ?? [];
	const numbers = files.map((file) => Number(/\.(\d+)\.sql/.exec(file)?.[1] ?? 1));
	const volumes = printRanges(numbers);
	const stored: StoredSummary = { ...summary, volumes, encodings, warningTexts: [] };
	const room = MAX_SUMMARY_LENGTH - asciiJson(stored).length;
	if (room < 0) return null;
	const warningTexts = fitting(manifest.warnings, Math.min(room, MAX_LISTED_WARNINGS_LENGTH));
	const text = asciiJson({ ...stored, warningTexts });
	const isFaithful = JSON.stringify(parseSummary(text)?.files) === JSON.stringify(files);
	return isFaithful ? text : null;
}

/** The summary in a manifest's custom metadata; null if there is none. */
export function parseSummary(text: string | undefined): BackupSummary | null {
	const result = v.safeParse(v.pipe(v.string(), v.parseJson(), StoredSummarySchema), text);
	if (!result.success) return null;
	const { volumes, encodings, ...summary } = result.output;
	const numbers = parseRanges(volumes);
	if (numbers.length > MAX_VOLUMES) return null;
	const files = numbers.map((number) => volumeKey(summary.name, number, encodings));
	return { ...summary, files };
}

/** The first texts, as many as fit into this many characters of JSON. */
function fitting(texts: string[], room: number): string[] {
	let left = room;
	const end = texts.findIndex((text) => (left -= asciiJson(text).length + 1) < 0); // 1: the comma
	return end === -1 ? texts : texts.slice(0, end);
}

/** JSON in ASCII, in which a character is a byte: a warning names tables, and R2 counts bytes. */
function asciiJson(value: unknown): string {
	return JSON.stringify(value).replace(
		/[\u007f-\uffff]/g,
		(unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
	);
}

/** Ascending numbers as text, such as `1-12,14`. */
function printRanges(numbers: number[]): string {
	const ranges: [number, number][] = [];
	for (const number of numbers) {
		const last = ranges.at(-1);
		if (last && last[1] + 1 === number) last[1] = number;
		else ranges.push([number, number]);
	}
	return ranges.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(',');
}

/** Stops one number after {@link MAX_VOLUMES}. */
function parseRanges(text: string): number[] {
	const numbers: number[] = [];
	for (const range of text.split(',')) {
		const [from = 0, to = from] = range.split('-').map(Number);
		for (let number = from; number <= to && numbers.length <= MAX_VOLUMES; number++) {
			numbers.push(number);
		}
	}
	return numbers;
}
