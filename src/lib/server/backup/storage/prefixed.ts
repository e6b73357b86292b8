import type { R2Bucket, R2GetOptions, R2Object, R2ObjectBody } from '../../platform.ts';

const views = new WeakMap<R2Bucket, Map<string, R2Bucket>>();

/**
 * The part of a bucket whose keys begin with a prefix, as a bucket in which they do not: the objects of
 * one database, which then cannot be mistaken for another's. The same one for the same arguments.
 */
export function prefixed(bucket: R2Bucket, prefix: string): R2Bucket {
	if (prefix === '') return bucket;
	const known = views.get(bucket) ?? new Map<string, R2Bucket>();
	views.set(bucket, known);
	const view = known.get(prefix) ?? viewOf(bucket, prefix);
	known.set(prefix, view);
	return view;
}

function viewOf(bucket: R2Bucket, prefix: string): R2Bucket {
	const within = (key: string) => prefix + key;
	const without = <T extends R2Object>(object: T): T =>
		renamed(object, object.key.slice(prefix.length));
	const found = <T extends R2Object>(object: T | null): T | null => object && without(object);
	// One function cannot have both types of `get` without an overload.
	function get(key: string): Promise<R2ObjectBody | null>;
	function get(key: string, options: R2GetOptions): Promise<R2ObjectBody | R2Object | null>;
	async function get(key: string, options?: R2GetOptions) {
		const whole = options === undefined;
		return found(whole ? await bucket.get(within(key)) : await bucket.get(within(key), options));
	}
	return {
		get,
		head: async (key) => found(await bucket.head(within(key))),
		put: async (key, body, options) => found(await bucket.put(within(key), body, options)),
		delete: (keys) => bucket.delete(typeof keys === 'string' ? within(keys) : keys.map(within)),
		async list({ prefix: start = '', startAfter, ...options }) {
			const after = startAfter !== undefined && { startAfter: within(startAfter) };
			const page = await bucket.list({ ...options, ...after, prefix: within(start) });
			const delimitedPrefixes = page.delimitedPrefixes.map((key) => key.slice(prefix.length));
			return { ...page, objects: page.objects.map(without), delimitedPrefixes };
		},
		createMultipartUpload: (key) => bucket.createMultipartUpload(within(key)),
	};
}

/** The object under another key. Its methods only work on the object itself. */
function renamed<T extends R2Object>(object: T, key: string): T {
	return new Proxy(object, {
		get(target, name) {
			if (name === 'key') return key;
			const value: unknown = Reflect.get(target, name, target);
			return typeof value === 'function' ? value.bind(target) : value;
		},
	});
}
