import { join } from 'node:path';
import type { R2Bucket } from '@cloudflare/workers-types';

/** Opens the embedded bucket in a folder of state, also while an app runs on it. */
export async function openBucket(folder: string): Promise<{ bucket: R2Bucket } & AsyncDisposable> {
	const { getPlatformProxy } = await import('wrangler'); // takes a second
	const { env, dispose } = await getPlatformProxy<{ MY_BUCKET: R2Bucket }>({
		persist: { path: join(folder, 'v3') }, // where the server keeps it in that folder
		envFiles: [],
		remoteBindings: false,
	});
	return { bucket: env.MY_BUCKET, [Symbol.asyncDispose]: dispose };
}

/** Lets the app forget which codes were used, as time does: no test waits for the next code. */
export async function forgetCodes(folder: string): Promise<void> {
	await using opened = await openBucket(folder);
	const { objects } = await opened.bucket.list({ prefix: 'access/spent/' });
	await opened.bucket.delete(objects.map(({ key }) => key));
}
