import { createHash } from 'node:crypto';
import type { R2Bucket } from '@cloudflare/workers-types';
import { decode, joined } from './codecs.ts';
import { type Manifest, parseManifest } from '../src/lib/server/backup/format/manifest.ts';
import { manifestKey, sliceListKey } from '../src/lib/server/backup/format/names.ts';
import { slicesOf, type StoredSlice } from '../src/lib/server/backup/format/slices.ts';
import { ENCODINGS } from './encodings.ts';

// What a backup consists of, read without the code that reads backups.

/** The SQL of a backup, put together from its list of slices as docs/restore.md does with plain tools. */
export async function plainSql(bucket: R2Bucket, name: string): Promise<Uint8Array> {
	const list = await (await stored(bucket, sliceListKey(name))).text();
	const parts: Uint8Array[] = [];
	for (const line of list.trimEnd().split('\n')) {
		const [volume = '', offset, length] = line.split(' ');
		const range = { offset: Number(offset), length: Number(length) };
		const bytes = await (await stored(bucket, volume, range)).bytes();
		parts.push(await decode(bytes, encodingOf(volume)));
	}
	return joined(parts);
}

/** The manifest of the full backup that a backup rests on; null for a full one. */
export async function parentOf(bucket: R2Bucket, { parent }: Manifest): Promise<Manifest | null> {
	if (parent === null) return null;
	return parseManifest(await (await stored(bucket, manifestKey(parent))).text());
}

/** All slices of a backup, as its manifest and that of its parent describe them. */
export async function describedSlices(
	bucket: R2Bucket,
	manifest: Manifest,
): Promise<StoredSlice[]> {
	const slices = slicesOf(manifest, await parentOf(bucket, manifest));
	if (slices === null) throw new Error(`${manifest.name} has no slices.`);
	return slices;
}

/** The slices whose stored bytes are not those that the manifest describes. */
export async function damagedSlices(
	bucket: R2Bucket,
	slices: StoredSlice[],
): Promise<StoredSlice[]> {
	const damaged: StoredSlice[] = [];
	for (const slice of slices) {
		const range = { offset: slice.offset, length: slice.bytes };
		const bytes = await (await stored(bucket, slice.volume, range)).bytes();
		const sha256 = createHash('sha256').update(bytes).digest('hex');
		if (sha256 !== slice.sha256) damaged.push(slice);
	}
	return damaged;
}

async function stored(bucket: R2Bucket, key: string, range?: { offset: number; length: number }) {
	const object = await bucket.get(key, range && { range });
	if (object === null) throw new Error(`${key} is missing.`);
	return object;
}

function encodingOf(volume: string) {
	const isEncrypted = volume.endsWith('.age');
	if (volume.includes('.sql.gz')) return ENCODINGS[isEncrypted ? 'gzip and age' : 'gzip'];
	if (volume.includes('.sql.zst')) return ENCODINGS[isEncrypted ? 'zstd and age' : 'zstd'];
	return ENCODINGS[isEncrypted ? 'age' : 'plain'];
}
