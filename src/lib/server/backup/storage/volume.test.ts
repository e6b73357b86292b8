import { env } from 'cloudflare:workers';
import { createHash } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import { encoded } from '../../../../../tests/codecs.ts';
import { ENCODINGS, type EncodingTitle, identity } from '../../../../../tests/encodings.ts';
import { failingBucket } from '../../../../../tests/failing.ts';
import { lockedBucket } from '../../../../../tests/locked-bucket.ts';
import { bytesOf } from '../../../../../tests/memory.ts';
import { reset } from '../../../../../tests/reset.ts';
import type { R2Bucket } from '../../platform.ts';
import { decoded, type Encoding, namesOf } from './codec.ts';
import { PART_BYTES, VolumeWriter } from './volume.ts';

beforeEach(reset);

const NAME = 'full_backup_2026-11-22T21:52:00.000Z';
const SMALL = new TextEncoder().encode('SELECT 1;\n');
/** A full part and a rest. */
const LARGE = new Uint8Array(PART_BYTES + 1000).map((_, at) => at / 10_000);

function writer(
	bucket: R2Bucket = env.MY_BUCKET,
	encoding: Encoding = ENCODINGS.plain,
): VolumeWriter {
	return new VolumeWriter({ bucket, sleep: async () => {} }, NAME, 2, namesOf(encoding));
}

/** Writes the bytes in slices that do not end where parts do. */
async function write(volume: VolumeWriter, bytes: Uint8Array): Promise<void> {
	for (let at = 0; at < bytes.length; at += 999_999) {
		const slice = bytes.subarray(at, at + 999_999);
		await volume.write(slice, slice.length);
	}
}

async function stored(key: string): Promise<Uint8Array | undefined> {
	return (await env.MY_BUCKET.get(key))?.bytes();
}

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

describe.for([
	['small', SMALL],
	['of several parts', LARGE],
] as const)('a volume that is %s', ([, bytes]) => {
	test('appears only when finished, with its digest and sizes', async () => {
		const volume = writer();
		await write(volume, bytes);
		expect(await env.MY_BUCKET.head(volume.key)).toBeNull();
		expect(await volume.finish()).toEqual({
			key: `${NAME}.2.sql`,
			bytes: bytes.length,
			sqlBytes: bytes.length,
			sha256: sha256(bytes),
			encodings: [],
		});
		expect(Buffer.compare((await stored(volume.key)) ?? SMALL, bytes)).toBe(0);
	});

	test.for([false, true])('leaves nothing when it is aborted, finished: %s', async (finished) => {
		const { bucket, failures } = failingBucket(env.MY_BUCKET, Number.POSITIVE_INFINITY);
		const volume = writer(bucket);
		await write(volume, bytes);
		if (finished) await volume.finish();
		await volume.abort();
		expect((await env.MY_BUCKET.list()).objects).toEqual([]);
		expect(await failures.openUploads()).toEqual([]);
	});

	test.for([false, true])(
		'is stored even if any one write fails, done nevertheless: %s',
		async (afterwards) => {
			for (let n = 1, failed = 1; failed > 0; n++) {
				const { bucket, failures } = failingBucket(env.MY_BUCKET, n, { afterwards });
				const volume = writer(bucket);
				await write(volume, bytes);
				expect((await volume.finish()).sha256).toBe(sha256(bytes));
				expect(sha256((await stored(volume.key)) ?? SMALL), `write ${n}`).toBe(sha256(bytes));
				await env.MY_BUCKET.delete(volume.key);
				({ failed } = failures);
			}
		},
	);

	test('is not stored when R2 fails for good', async () => {
		const { bucket } = failingBucket(env.MY_BUCKET, 1, { forGood: true });
		const volume = writer(bucket);
		const outcome = write(volume, bytes).then(() => volume.finish());
		await expect(outcome).rejects.toMatchObject({ code: 'storage_error', status: 500 });
		await volume.abort();
		expect((await env.MY_BUCKET.list()).objects).toEqual([]);
	});
});

test.for(Object.keys(ENCODINGS) as EncodingTitle[])(
	'a volume stored as %s has the digest of the stored bytes, and decodes to its SQL',
	async (title) => {
		const encoding = ENCODINGS[title];
		const volume = writer(env.MY_BUCKET, encoding);
		await volume.write(await encoded(SMALL, encoding), SMALL.length);
		const { key, bytes, sqlBytes, ...rest } = await volume.finish();
		const content = (await stored(key)) ?? new Uint8Array();
		expect([bytes, sqlBytes]).toEqual([content.length, SMALL.length]);
		expect(rest).toEqual({ sha256: sha256(content), encodings: namesOf(encoding) });
		const chunks = async function* () {
			yield content;
		};
		const open = () => decoded(chunks(), namesOf(encoding), [identity]);
		expect(await bytesOf({ open })).toEqual(SMALL);
	},
);

test.for([
	['without a lock rule', env.MY_BUCKET],
	['with a lock rule', lockedBucket(env.MY_BUCKET)],
] as const)('an existing volume stays, even if the new one is aborted, %s', async ([, bucket]) => {
	await env.MY_BUCKET.put(`${NAME}.2.sql`, 'of somebody');
	const volume = writer(bucket);
	await volume.write(SMALL, SMALL.length);
	await expect(volume.finish()).rejects.toMatchObject({ code: 'volume_exists', status: 409 });
	await volume.abort();
	expect(await (await env.MY_BUCKET.get(volume.key))?.text()).toBe('of somebody');
});
