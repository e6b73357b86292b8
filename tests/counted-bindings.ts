import type { D1Database, R2Bucket } from '@cloudflare/workers-types';

/** The bindings, with a count of their calls, each of which is a subrequest of the Worker. */
export function countedBindings<T extends Record<string, D1Database | R2Bucket>>(bindings: T) {
	let calls = 0;
	const counts = <O extends object>(object: O): O =>
		new Proxy(object, {
			get(target, name) {
				const value: unknown = Reflect.get(target, name, target);
				if (typeof value !== 'function') return value;
				return (...args: unknown[]) => {
					const result: unknown = Reflect.apply(value, target, args);
					if (name === 'withSession') return counts(result as object);
					if (name === 'prepare' || name === 'getBookmark') return result;
					calls++;
					if (name !== 'createMultipartUpload') return result;
					return (result as Promise<object>).then(counts);
				};
			},
		});
	const counted = Object.entries(bindings).map(([name, binding]) => [name, counts(binding)]);
	return {
		bindings: Object.fromEntries(counted) as T,
		calls: () => calls,
		reset() {
			calls = 0;
		},
	};
}
