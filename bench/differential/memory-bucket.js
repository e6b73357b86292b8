/**
 * The part of R2 that backups use, in memory: what it costs to store bytes is not measured. An etag is a
 * number that was never used before.
 */
export class MemoryBucket {
	/** @type {Map<string, { bytes: Uint8Array, etag: string, metadata: Record<string, string>, sha256: string | undefined }>} */
	#objects = new Map();
	#writes = 0;

	/** Bytes of all objects whose key begins with this. @param {string} prefix */
	bytesOf(prefix) {
		const keys = this.#objects.keys().filter((key) => key.startsWith(prefix));
		return keys.reduce((sum, key) => sum + (this.#objects.get(key)?.bytes.length ?? 0), 0);
	}

	clear() {
		this.#objects.clear();
	}

	/** @returns {import('../../src/lib/server/platform.ts').R2Bucket} */
	binding() {
		return {
			head: async (key) => this.#found(key),
			/** @param {string} key @param {import('../../src/lib/server/platform.ts').R2GetOptions} [options] */
			get: async (key, options) => this.#found(key, options?.range),
			put: async (key, value, { onlyIf, customMetadata, sha256 } = {}) => {
				const etag = this.#objects.get(key)?.etag;
				if (onlyIf?.etagMatches !== undefined && etag !== onlyIf.etagMatches) return null;
				if (onlyIf?.etagDoesNotMatch === '*' && etag !== undefined) return null;
				const bytes = typeof value === 'string' ? new TextEncoder().encode(value) : value.slice();
				this.#store(key, bytes, { metadata: customMetadata ?? {}, sha256 });
				return this.#found(key);
			},
			delete: async (keys) => [keys].flat().forEach((key) => void this.#objects.delete(key)),
			list: async ({ prefix = '', startAfter = '' }) => {
				const keys = this.#objects.keys().filter((key) => key.startsWith(prefix));
				const listed = [...keys].filter((key) => key > startAfter).sort();
				const objects = listed.flatMap((key) => this.#found(key) ?? []);
				return { objects, delimitedPrefixes: [], truncated: false };
			},
			createMultipartUpload: async (key) => this.#upload(key),
		};
	}

	/**
	 * @param {string} key
	 * @returns {import('../../src/lib/server/platform.ts').R2MultipartUpload}
	 */
	#upload(key) {
		/** @type {Uint8Array[]} */
		const parts = [];
		return {
			uploadPart: async (partNumber, value) => {
				parts[partNumber - 1] = value.slice();
				return { partNumber, etag: String(partNumber) };
			},
			complete: async () => {
				const bytes = new Uint8Array(await new Blob(parts).arrayBuffer());
				this.#store(key, bytes, { metadata: {}, sha256: undefined });
			},
			abort: async () => {},
		};
	}

	/**
	 * @param {string} key
	 * @param {Uint8Array} bytes
	 * @param {{ metadata: Record<string, string>, sha256: string | undefined }} rest
	 */
	#store(key, bytes, rest) {
		this.#objects.set(key, { bytes, etag: String(++this.#writes), ...rest });
	}

	/**
	 * @param {string} key
	 * @param {{ offset: number, length?: number }} [range]
	 */
	#found(key, range) {
		const object = this.#objects.get(key);
		if (object === undefined) return null;
		const { bytes, etag, metadata, sha256 } = object;
		const { offset = 0, length = bytes.length } = range ?? {};
		const body = bytes.subarray(offset, offset + length);
		return {
			...{ key, etag, httpEtag: `"${etag}"`, size: bytes.length, customMetadata: metadata },
			uploaded: new Date(),
			checksums: { toJSON: () => (sha256 === undefined ? {} : { sha256 }) },
			body: new Blob([body]).stream(),
			text: async () => new TextDecoder().decode(body),
		};
	}
}
