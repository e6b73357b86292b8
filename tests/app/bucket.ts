import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { R2Bucket } from '@cloudflare/workers-types';
import { openState } from './miniflare.ts';

// The embedded bucket in a state folder, even while an app uses it: as a binding, or by Node's own SQLite
// where that is enough, because workerd takes more than a second to start. Miniflare keeps an index of the
// objects in an SQLite file, and the bytes of each in a file of its own (its workers/r2/bucket.worker.ts).

const INDEX = 'v3/r2/miniflare-R2BucketObject';
/** By the name of the bucket in wrangler.toml. */
const BLOBS = 'v3/r2/lifeboat-backups/blobs';

/** Opens the bucket as a binding. */
export async function openBucket(folder: string): Promise<{ bucket: R2Bucket } & AsyncDisposable> {
	const miniflare = await openState(folder);
	const { MY_BUCKET } = await miniflare.getBindings<{ MY_BUCKET: R2Bucket }>();
	return { bucket: MY_BUCKET, [Symbol.asyncDispose]: () => miniflare.dispose() };
}

/** Makes the app forget used codes, so that no test has to wait for the next code. */
export function forgetCodes(folder: string): void {
	using index = openIndex(folder);
	index?.exec(`DELETE FROM _mf_objects WHERE key LIKE 'access/spent/%'`);
}

/** Makes the app forget wrong codes, after which an address has to wait. */
export function forgetGuesses(folder: string): void {
	using index = openIndex(folder);
	index?.exec(`DELETE FROM _mf_objects WHERE key LIKE 'access/guesses%'`);
}

/** The file with the bytes of an object. Throws if there is no such object. */
export function fileOfObject(folder: string, key: string): string {
	using index = openIndex(folder);
	const row = index?.prepare('SELECT blob_id FROM _mf_objects WHERE key = ?').get(key);
	if (!row) throw new Error(`The bucket has no ${key}.`);
	return join(folder, BLOBS, String(row['blob_id']));
}

/** Null before the first object. */
function openIndex(folder: string): DatabaseSync | null {
	const path = join(folder, INDEX);
	const files = existsSync(path) ? readdirSync(path) : [];
	const file = files.find((name) => /^[0-9a-f]{64}\.sqlite$/.test(name));
	return file === undefined ? null : new DatabaseSync(join(path, file), { timeout: 10_000 });
}
