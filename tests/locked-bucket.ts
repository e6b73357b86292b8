import type { R2Bucket, R2MultipartUpload } from '@cloudflare/workers-types';

/**
 * The bucket with a lock rule for a prefix, which local R2 lacks: objects there can be neither removed
 * nor overwritten. R2 checks the rule before the condition of a put (R2 > Bucket locks; Error codes,
 * 10069).
 */
export function lockedBucket(bucket: R2Bucket, prefix = 'full_backup_'): R2Bucket {
	const requireFree = async (keys: string[]) => {
		for (const key of keys.filter((one) => one.startsWith(prefix))) {
			if ((await bucket.head(key)) === null) continue;
			throw new Error(`The object ${key} is locked by the bucket policy (10069)`);
		}
	};
	const upload = (target: R2MultipartUpload) =>
		guarded(target, { complete: () => requireFree([target.key]) });
	const locked = guarded(bucket, {
		put: (key) => requireFree([String(key)]),
		delete: (keys) => requireFree([keys as string | string[]].flat()),
	});
	return new Proxy(locked, {
		get(target, property) {
			if (property !== 'createMultipartUpload') return Reflect.get(target, property);
			return async (key: string) => upload(await target.createMultipartUpload(key));
		},
	});
}

/** The target, except that the named methods first await a guard, which gets their first argument. */
function guarded<T extends object>(
	target: T,
	guards: Record<string, (first: unknown) => Promise<void>>,
): T {
	return new Proxy(target, {
		get(object, property) {
			const value: unknown = Reflect.get(object, property);
			if (typeof value !== 'function') return value;
			const guard = guards[String(property)];
			return async (...parameters: unknown[]) => {
				await guard?.(parameters[0]);
				return value.apply(object, parameters);
			};
		},
	});
}
