import { OWN_FOLDERS, OWN_OBJECTS } from '../backup/storage/own.ts';
import { bucket, type Environment, placeOf } from '../environment.ts';
import type { R2Bucket } from '../platform.ts';

const BACKUP = /^(full|incremental)_backup_/;
/** Sorts after every backup's objects: there may be thousands, which tell nothing. */
const AFTER_BACKUPS = ['', 'full_backup_~', 'incremental_backup_~'];
/** Names that are looked at from each of these places. */
const LIMIT = 100;

const SHARED =
	'The bucket holds more than backups. Give backups a bucket of their own, or the option "prefix" of lifeboat(): a lock rule for them must not hold what the app stores, and who may write that must not reach them.';

/**
 * A sentence if the bucket of the backups holds something that is not Lifeboat's, as far as the first
 * names tell; none otherwise, or if it cannot be listed.
 */
export async function sharedBucketWarnings(env: Environment | undefined): Promise<string[]> {
	const own = [...OWN_FOLDERS, ...placeOf(env).databases.map((name) => `${name}/`)];
	try {
		const names = await Promise.all(AFTER_BACKUPS.map((start) => namesAfter(bucket(env), start)));
		const isShared = names.flat().some((name) => !own.includes(name) && !isOwnObject(name));
		return isShared ? [SHARED] : [];
	} catch (error) {
		console.error('The bucket could not be searched for what is not Lifeboat’s:', error);
		return [];
	}
}

/** Objects and folders at the root of a bucket. */
async function namesAfter(bucket: R2Bucket, startAfter: string): Promise<string[]> {
	const from = startAfter === '' ? {} : { startAfter };
	const page = await bucket.list({ delimiter: '/', limit: LIMIT, ...from });
	return [...page.objects.map(({ key }) => key), ...page.delimitedPrefixes];
}

function isOwnObject(key: string): boolean {
	return BACKUP.test(key) || OWN_OBJECTS.includes(key);
}
