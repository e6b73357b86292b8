/**
 * A bucket that takes everything and keeps nothing: writing into it costs no more than handing the
 * bytes over. It does what one backup at a time asks of a bucket.
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
	// The rest of the interface is not asked for.
	return /** @type {import('@cloudflare/workers-types').R2Bucket} */ (
		/** @type {unknown} */ (bucket)
	);
}

/**
 * A text becomes UTF-8, as on its way into R2.
 * @param {string | Uint8Array} value
 */
function bytesOf(value) {
	return typeof value === 'string' ? new TextEncoder().encode(value) : value;
}
