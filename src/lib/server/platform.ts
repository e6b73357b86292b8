// What Lifeboat calls of Cloudflare's bindings. The types of `@cloudflare/workers-types`, of any version,
// and those that `wrangler types` generates can be assigned to these, which need no package and no
// global type but the language's own.

/** A D1 binding (D1 > Worker API > D1Database). */
export interface D1Database {
	withSession(constraint: 'first-primary'): D1Session;
}

/** A session of a D1 binding. `batch` takes what `prepare` returns. */
export interface D1Session {
	prepare(query: string): object;
	batch<Row>(statements: object[]): Promise<D1Result<Row>[]>;
	getBookmark(): string | null;
}

/** The rows of one statement, and D1's figures about it. */
export interface D1Result<Row> {
	results: Row[];
	meta: { rows_read?: number; rows_written?: number; size_after?: number; total_attempts?: number };
}

/** An R2 binding (R2 > Workers API reference). */
export interface R2Bucket {
	head(key: string): Promise<R2Object | null>;
	get(key: string): Promise<R2ObjectBody | null>;
	/** Without a body if the condition does not hold. */
	get(key: string, options: R2GetOptions): Promise<R2ObjectBody | R2Object | null>;
	/** Null if the condition does not hold. */
	put(key: string, value: string | Uint8Array, options?: R2PutOptions): Promise<R2Object | null>;
	delete(keys: string | string[]): Promise<void>;
	list(options: R2ListOptions): Promise<R2Objects>;
	createMultipartUpload(key: string): Promise<R2MultipartUpload>;
}

/** The metadata of an object. `etag` has no quotes, `httpEtag` has them. */
export interface R2Object {
	readonly key: string;
	/** In bytes. */
	readonly size: number;
	readonly etag: string;
	readonly httpEtag: string;
	readonly uploaded: Date;
	/** Of the body, in hexadecimal. */
	readonly checksums: { toJSON(): { sha256?: string } };
	/** In a list only if `include` asks for it. */
	readonly customMetadata?: Record<string, string>;
}

/** An object with its body, which can be read once. */
export interface R2ObjectBody extends R2Object {
	readonly body: AsyncIterable<Uint8Array>;
	text(): Promise<string>;
}

/** When to read or write: while the object has this etag, or does not have it; `*` is any. */
export interface R2Conditional {
	etagMatches?: string;
	etagDoesNotMatch?: string;
}

export interface R2GetOptions {
	onlyIf?: R2Conditional;
	/** In bytes; without a length up to the end. */
	range?: { offset: number; length?: number };
}

export interface R2PutOptions {
	onlyIf?: R2Conditional;
	/** In hexadecimal; R2 refuses a body that has another. */
	sha256?: string;
	httpMetadata?: { contentType?: string };
	customMetadata?: Record<string, string>;
}

export interface R2ListOptions {
	prefix?: string;
	/** Of the page before. */
	cursor?: string;
	/** A key: the list starts with the one after it. */
	startAfter?: string;
	limit?: number;
	include?: 'customMetadata'[];
	/** Keys with this after the prefix are one entry of `delimitedPrefixes`. */
	delimiter?: string;
}

/** One page of a list, in the order of keys. */
export interface R2Objects {
	objects: R2Object[];
	delimitedPrefixes: string[];
	truncated: boolean;
	/** Of the next page, if this one is truncated. */
	cursor?: string;
}

/** A multipart upload (R2 > Multipart upload). Parts have numbers from 1. */
export interface R2MultipartUpload {
	uploadPart(partNumber: number, value: Uint8Array): Promise<R2UploadedPart>;
	complete(parts: R2UploadedPart[]): Promise<unknown>;
	abort(): Promise<void>;
}

export interface R2UploadedPart {
	partNumber: number;
	etag: string;
}
