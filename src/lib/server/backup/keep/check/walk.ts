import type { R2Bucket, R2Object, R2Objects } from '../../../platform.ts';
import { backupOfFile } from '../../format/names.ts';
import { storageCall } from '../../storage/failure.ts';

/** What a walk comes by: the objects of one backup, or a single other object or folder. */
export interface Item {
	/** The name of the backup; null for anything else. */
	name: string | null;
	/** The objects of the backup, in the order of keys. */
	objects: R2Object[];
	/** Objects, and names of folders with a slash at their end, that belong to no backup. */
	others: (R2Object | string)[];
	/** Where a later walk goes on after it. */
	end: string;
}

/** Sorts after every other character with which a key may go on. */
const LAST = '\u{10fffd}';

/**
 * Walks through a bucket in the order of keys, without looking into folders, from `after` on. All objects of
 * a backup come together, because their keys begin with its name and a dot. `mayList` is asked before each
 * call, and may throw. Throws `storage_error` (500).
 */
export async function* walk(
	bucket: R2Bucket,
	after: string | undefined,
	mayList: () => void,
): AsyncGenerator<Item> {
	let item: Item | null = null;
	for await (const entry of entries(bucket, after, mayList)) {
		const key = typeof entry === 'string' ? entry : entry.key;
		const name = backupOfFile(key);
		const isSame: boolean = item?.name != null && key.startsWith(`${item.name}.`);
		if (item && !isSame) yield item;
		if (!item || !isSame) item = { name, objects: [], others: [], end: '' };
		if (typeof entry === 'string' || name !== item.name || name === null) item.others.push(entry);
		else item.objects.push(entry);
		item.end = typeof entry === 'string' ? key + LAST : key;
	}
	if (item) yield item;
}

/** Objects and folders in the order of keys. */
async function* entries(
	bucket: R2Bucket,
	after: string | undefined,
	mayList: () => void,
): AsyncGenerator<R2Object | string> {
	const include: ['customMetadata'] = ['customMetadata'];
	let place: { startAfter?: string; cursor?: string } =
		after === undefined ? {} : { startAfter: after };
	for (;;) {
		mayList();
		const options = { delimiter: '/', include, ...place };
		const page = await storageCall(() => bucket.list(options));
		yield* merged(page);
		if (!page.truncated || page.cursor === undefined) return;
		place = { cursor: page.cursor };
	}
}

/** R2 lists the objects and the folders of a page apart. */
function* merged({ objects, delimitedPrefixes }: R2Objects): Generator<R2Object | string> {
	const folders = delimitedPrefixes.values();
	let folder = folders.next();
	for (const object of objects) {
		for (; !folder.done && folder.value < object.key; folder = folders.next()) yield folder.value;
		yield object;
	}
	for (; !folder.done; folder = folders.next()) yield folder.value;
}
