import type {
	D1Database,
	D1DatabaseSession,
	R2Bucket,
	R2MultipartUpload,
} from '@cloudflare/workers-types';
import type { Engine } from '../src/lib/server/backup/engine.ts';

/** What happened to a failing binding. */
export interface Failures {
	/** Calls that were made to fail. */
	failed: number;
	/** Multipart uploads that were started and neither completed nor aborted. */
	openUploads(): Promise<string[]>;
}

/**
 * The database, except that its `n`-th call (from 1) fails with `message`, and with `forGood` every
 * later one.
 */
export function failingDatabase(
	database: D1Database,
	n: number,
	message: string,
	{ forGood = false } = {},
): { database: D1Database; failures: Failures } {
	const failures: Failures = { failed: 0, openUploads: async () => [] };
	let calls = 0;
	const session = (target: D1DatabaseSession) =>
		intercept(target, ['batch'], (call) => {
			calls++;
			if (forGood ? calls < n : calls !== n) return call();
			failures.failed++;
			return Promise.reject(new Error(message));
		});
	const failing = new Proxy(database, {
		get(target, property) {
			if (property === 'withSession') {
				return (constraint: 'first-primary') => session(target.withSession(constraint));
			}
			throw new Error(`The engine reads through sessions only, not with ${String(property)}.`);
		},
	});
	return { database: failing, failures };
}

/**
 * The bucket, except that its `n`-th write (from 1) fails, before or after it is done, and with
 * `forGood` every later one.
 */
export function failingBucket(
	bucket: R2Bucket,
	n: number,
	{ afterwards = false, forGood = false } = {},
): { bucket: R2Bucket; failures: Failures } {
	const open = new Map<string, R2MultipartUpload>();
	const failures: Failures = { failed: 0, openUploads: async () => [...open.keys()] };
	let writes = 0;
	const failNth = async (call: () => Promise<unknown>) => {
		writes++;
		if (forGood ? writes < n : writes !== n) return call();
		failures.failed++;
		if (afterwards) await call();
		throw new Error('put: Internal error; please try again. (10001)');
	};
	const track = (upload: R2MultipartUpload): R2MultipartUpload =>
		intercept(upload, ['uploadPart', 'complete', 'abort'], (call, property) =>
			failNth(async () => {
				const result = await call();
				if (property !== 'uploadPart') open.delete(upload.uploadId);
				return result;
			}),
		);
	const failing = intercept(bucket, ['put', 'delete', 'createMultipartUpload'], (call, property) =>
		failNth(async () => {
			const result = await call();
			if (property !== 'createMultipartUpload') return result;
			const upload = result as R2MultipartUpload;
			open.set(upload.uploadId, upload);
			return track(upload);
		}),
	);
	return { bucket: failing, failures };
}

/**
 * An engine that dies at the `n`-th call (from 1) of its database or bucket, like a Worker that the
 * runtime kills: before the call is made, or after it, so that the answer never arrives. None of its
 * code runs afterwards. `died` resolves at that moment; `calls` counts.
 */
export function dyingEngine(
	engine: Engine,
	n: number,
	{ afterwards = false } = {},
): { engine: Engine; died: Promise<null>; calls(): number } {
	let calls = 0;
	const { promise: died, resolve } = Promise.withResolvers<null>();
	const never = new Promise<never>(() => {});
	const live = async (call: () => Promise<unknown>) => {
		calls++;
		if (calls < n) return call();
		if (calls === n && afterwards) await call();
		resolve(null);
		return never;
	};
	const upload = (target: R2MultipartUpload) =>
		intercept(target, ['uploadPart', 'complete', 'abort'], live);
	const bucket = intercept(
		engine.bucket,
		['put', 'get', 'head', 'list', 'delete', 'createMultipartUpload'],
		async (call, property) => {
			const result = await live(call);
			return property === 'createMultipartUpload' ? upload(result as R2MultipartUpload) : result;
		},
	);
	const database = new Proxy(engine.database, {
		get: (target) => (constraint: 'first-primary') =>
			intercept(target.withSession(constraint), ['batch'], live),
	});
	return { engine: { ...engine, bucket, database }, died, calls: () => calls };
}

/** Passes calls of the named methods to `around`; everything else goes straight through. */
function intercept<T extends object>(
	target: T,
	methods: string[],
	around: (call: () => Promise<unknown>, property: string) => Promise<unknown>,
): T {
	return new Proxy(target, {
		get(object, property) {
			const value: unknown = Reflect.get(object, property);
			if (typeof value !== 'function') return value;
			if (!methods.includes(String(property))) return value.bind(object);
			return (...parameters: unknown[]) =>
				around(() => value.apply(object, parameters), String(property));
		},
	});
}
