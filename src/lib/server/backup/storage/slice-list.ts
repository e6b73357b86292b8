import type { Manifest } from '../format/manifest.ts';
import { sliceListKey } from '../format/names.ts';
import { requireParent } from '../format/parent.ts';
import type { BackupKey } from '../format/signature.ts';
import { printSliceList, slicesOf } from '../format/slices.ts';
import { readParentOf, readText } from './bucket.ts';
import { type BucketContext, IF_ABSENT, putIf } from './conditional.ts';
import { tryRepeatedly } from './failure.ts';

/**
 * Writes the list of a backup's slices for plain tools, unless it exists or the backup is older than
 * slices. It follows from the manifests, so a missing one can be written at any time. Throws
 * `parent_missing` and `parent_differs` (422), and `storage_error` (500).
 */
export async function storeSliceList(
	{ keys, ...context }: BucketContext & { keys: readonly BackupKey[] },
	manifest: Manifest,
): Promise<void> {
	const parent = requireParent(await readParentOf(context.bucket, manifest, keys));
	const text = sliceListOf(manifest, parent?.manifest ?? null);
	if (text !== null) await store(context, manifest, text);
}

/**
 * Compares the stored list of a backup's slices with the manifests, and writes it again if it is missing.
 * Returns what differs as a sentence; null if nothing does. Throws `storage_error` (500).
 */
export async function checkSliceList(
	context: BucketContext,
	manifest: Manifest,
	parent: Manifest | null,
): Promise<string | null> {
	const text = sliceListOf(manifest, parent);
	if (text === null) return null;
	const key = sliceListKey(manifest.name);
	const stored = await readText(context.bucket, key);
	if (stored === undefined) await tryRepeatedly(() => store(context, manifest, text));
	const isRight = stored === undefined || stored === text;
	return isRight ? null : `${key} does not list the slices that the manifest has. Remove it.`;
}

/** The text of `NAME.slices`; null for a backup that is older than slices. Throws what {@link slicesOf} throws. */
export function sliceListOf(manifest: Manifest, parent: Manifest | null): string | null {
	const slices = slicesOf(manifest, parent);
	return slices && printSliceList(slices, { encrypted: manifest.encryption !== null });
}

async function store(context: BucketContext, { name }: Manifest, body: string): Promise<void> {
	await putIf(context, {
		key: sliceListKey(name),
		body,
		onlyIf: IF_ABSENT,
		metadata: { httpMetadata: { contentType: 'text/plain' } },
	});
}
