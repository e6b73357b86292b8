import { createHash } from 'node:crypto';
import type { R2Bucket } from '@cloudflare/workers-types';
import { backupOfFile } from '../../src/lib/server/backup/format/names.ts';
import type { StoredRange } from '../../src/lib/server/backup/storage/bucket.ts';

/** Makes a call once its owner allows it; `key` is that of an object to be written. */
export type Gate = <T>(call: () => T, key?: string) => Promise<T>;

/** An object of R2. */
interface Stored {
	bytes: Uint8Array;
	etag: string;
	customMetadata: Record<string, string>;
	sha256: string | undefined;
	uploaded: Date;
}

type PutOptions = {
	onlyIf?: { etagMatches?: string; etagDoesNotMatch?: string };
	customMetadata?: Record<string, string>;
	sha256?: string;
};

/**
 * The part of R2 that backups of small databases use, in memory, so that thousands of histories can run
 * and a bucket can be copied at any moment. A property test compares it with R2.
 */
export class SimulatedBucket {
	readonly objects = new Map<string, Stored>();
	/** Whether a lock rule protects backups: rule before condition (R2 > Bucket locks; error 10069). */
	readonly #locked: boolean;

	constructor({ locked = false, objects = new Map<string, Stored>() } = {}) {
		this.#locked = locked;
		this.objects = new Map(objects);
	}

	/** A copy of the bucket that evolves independently. */
	copy(): SimulatedBucket {
		return new SimulatedBucket({ locked: this.#locked, objects: this.objects });
	}

	/** The binding of a Worker, whose calls go through a gate; `now` is in milliseconds since 1970. */
	binding(gate: Gate, now: () => number): R2Bucket {
		const binding = {
			head: (key: string) => gate(() => this.#found(key)),
			get: (key: string, { range }: { range?: StoredRange } = {}) =>
				gate(() => this.#found(key, range)),
			put: (key: string, value: string | Uint8Array, options: PutOptions = {}) => {
				const bytes = typeof value === 'string' ? new TextEncoder().encode(value) : value.slice();
				return gate(() => this.#put(key, bytes, options, now()), key);
			},
			delete: (keys: string | string[]) => gate(() => this.#delete([keys].flat())),
			list: (options: ListOptions) => gate(() => this.#list(options)),
		};
		return binding as unknown as R2Bucket;
	}

	#found(key: string, range?: StoredRange) {
		const object = this.objects.get(key);
		if (!object) return null;
		const { bytes, etag, customMetadata, uploaded, sha256 } = object;
		const { offset = 0, length = bytes.length } = range ?? {};
		if (offset >= bytes.length && offset > 0)
			throw new Error('The range is not satisfiable (10039)');
		const part = bytes.subarray(offset, offset + length);
		return {
			...{ key, etag, customMetadata, uploaded, size: bytes.length },
			checksums: { toJSON: () => ({ sha256 }) },
			body: chunksOf(part),
			text: async () => new TextDecoder().decode(part),
		};
	}

	#put(
		key: string,
		bytes: Uint8Array,
		{ onlyIf, customMetadata, sha256 }: PutOptions,
		now: number,
	) {
		const before = this.objects.get(key);
		if (before) this.#requireUnlocked(key);
		if (onlyIf?.etagMatches !== undefined && before?.etag !== onlyIf.etagMatches) return null;
		if (onlyIf?.etagDoesNotMatch === '*' && before) return null;
		const etag = createHash('md5').update(bytes).digest('hex');
		const uploaded = new Date(now);
		const rest = { customMetadata: customMetadata ?? {}, sha256 };
		this.objects.set(key, { bytes, etag, uploaded, ...rest });
		return this.#found(key);
	}

	#delete(keys: string[]): void {
		const there = keys.filter((key) => this.objects.has(key));
		there.forEach((key) => this.#requireUnlocked(key));
		there.forEach((key) => this.objects.delete(key));
	}

	#list({
		prefix = '',
		limit = 1000,
		startAfter = '',
		cursor = startAfter,
		delimiter,
	}: ListOptions) {
		const keys = [...this.objects.keys()].filter((key) => key.startsWith(prefix) && key > cursor);
		const entryOf = (key: string) => {
			const end = delimiter === undefined ? -1 : key.indexOf(delimiter, prefix.length);
			return end === -1 ? key : key.slice(0, end + 1);
		};
		const entries = [...new Set(keys.sort().map(entryOf))];
		const page = entries.slice(0, limit);
		const isFolder = (entry: string) => delimiter !== undefined && entry.endsWith(delimiter);
		const last = page.at(-1) ?? '';
		return {
			objects: page.filter((entry) => !isFolder(entry)).map((key) => this.#found(key)),
			delimitedPrefixes: page.filter(isFolder),
			truncated: entries.length > page.length,
			cursor: isFolder(last) ? `${last}\u{10ffff}` : last,
		};
	}

	#requireUnlocked(key: string): void {
		if (!this.#locked || backupOfFile(key) === null) return;
		throw new Error(`The object ${key} is locked by the bucket policy (10069)`);
	}
}

/** What R2 takes to list objects. */
interface ListOptions {
	prefix?: string;
	limit?: number;
	/** Of the page before; here the last key on it. */
	cursor?: string;
	startAfter?: string;
	delimiter?: string;
}

async function* chunksOf(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
	yield bytes;
}
