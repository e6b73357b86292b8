/**
 * An R2 bucket that accepts every write and stores nothing, so that a dump is measured without the
 * cost of storage. It has only the methods that a single backup calls.
 * @returns {import('@cloudflare/workers-types').R2Bucket}
 */
export function countingBucket() {
	const bucket = {
		/**
		 * @param {string} key
		 * @param {string | Uint8Array} value
		 */
		put: async (key, value) => ({ key, size: bytesOf(value).length, etag: 'taken' }),
		get: async () => null,
		head: async () => null,
		list: async () => ({ objects: [], truncated: false }),
		delete: async () => {},
		/** @param {string} key */
		createMultipartUpload: async (key) => ({
			/** @param {number} partNumber */
			uploadPart: async (partNumber) => ({ partNumber, etag: 'taken' }),
			complete: async () => ({ key, etag: 'taken' }),
			abort: async () => {},
		}),
	};
	// The rest of the interface is never called.
	return /** @type {import('@cloudflare/workers-types').R2Bucket} */ (
		/** @type {unknown} */ (bucket)
	);
}

/**
 * Encodes text as UTF-8, which R2's binding does too.
 * @param {string | Uint8Array} value
 */
function bytesOf(value) {
	return typeof value === 'string' ? new TextEncoder().encode(value) : value;
}
