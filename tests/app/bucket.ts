import { join } from 'node:path';
import type { R2Bucket } from '@cloudflare/workers-types';

/** Opens the embedded bucket in a state folder, even while an app uses it. */
export async function openBucket(folder: string): Promise<{ bucket: R2Bucket } & AsyncDisposable> {
	const { getPlatformProxy } = await import('wrangler'); // takes a second
	const { env, dispose } = await getPlatformProxy<{ MY_BUCKET: R2Bucket }>({
		persist: { path: join(folder, 'v3') }, // where the server keeps it
		envFiles: [],
		remoteBindings: false,
	});
	return { bucket: env.MY_BUCKET, [Symbol.asyncDispose]: dispose };
}

/** Makes the app forget used codes, so that no test has to wait for the next code. */
export async function forgetCodes(folder: string): Promise<void> {
	await using opened = await openBucket(folder);
	const { objects } = await opened.bucket.list({ prefix: 'access/spent/' });
	await opened.bucket.delete(objects.map(({ key }) => key));
}
