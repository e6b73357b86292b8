import type { R2Bucket, R2ListOptions, R2Object } from '@cloudflare/workers-types';

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
	const maybe = <T extends R2Object>(object: T | null): T | null => object && without(object);
	const view = {
		head: async (key: string) => maybe(await bucket.head(within(key))),
		get: async (key: string, options?: object) =>
			maybe(await bucket.get(within(key), options as never)),
		put: async (key: string, body: never, options?: object) =>
			maybe(await bucket.put(within(key), body, options as never)),
		delete: (keys: string | string[]) =>
			bucket.delete(typeof keys === 'string' ? within(keys) : keys.map(within)),
		async list({ prefix: start = '', startAfter, ...options }: R2ListOptions = {}) {
			const after = startAfter !== undefined && { startAfter: within(startAfter) };
			const page = await bucket.list({ ...options, ...after, prefix: within(start) });
			return { ...page, objects: page.objects.map(without) };
		},
	};
	return view as unknown as R2Bucket;
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
