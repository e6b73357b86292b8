import { env } from 'cloudflare:workers';
import { beforeEach, describe, expect, test } from 'vitest';
import { reset } from '../../../../../tests/reset.ts';
import { backUp, createBackup, engine } from '../../../../../tests/backups.ts';
import type { R2ListOptions } from '../../platform.ts';
import { type Manifest, parseSummary } from '../format/manifest.ts';
import { type EncodingName, backupName, volumeKey, manifestKey } from '../format/names.ts';
import {
	type ByteRange,
	commitManifest,
	findFile,
	findManifest,
	readFile,
	readManifest,
	readVolume,
	requireUnused,
} from './bucket.ts';
import { listObjects, listStored } from './list.ts';

beforeEach(reset);

const HOUR = 3_600_000;
const context = { bucket: env.MY_BUCKET, sleep: async () => {}, signer: null };

/** A manifest with volumes of these numbers. */
async function manifestWith(numbers: number[]): Promise<Manifest> {
	await backUp();
	const manifest = await createBackup(engine());
	const startedAt = new Date(Date.parse(manifest.startedAt) + HOUR).toISOString(); // the newest of all
	const name = backupName('full', new Date(startedAt));
	const [volume] = manifest.volumes;
	if (!volume) throw new Error('The backup has no volume.');
	const encodings: EncodingName[] = ['gzip', 'age']; // the longest names
	const key = (number: number) => volumeKey(name, number, encodings);
	const volumes = numbers.map((number) => ({ ...volume, encodings, key: key(number) }));
	return { ...manifest, name, startedAt, volumes };
}

const upTo = (count: number) => Array.from({ length: count }, (_, index) => index + 1);

describe('a manifest', () => {
	test.for([
		['many volumes', upTo(150), true],
		['volumes with gaps in their numbers', [1, 2, 5, 6, 9], true],
		['thousands of volumes', upTo(5_000), true],
		['more gaps than metadata holds', upTo(3_000).map((number) => 2 * number), false],
	] as const)('of %s is committed, and listed with its files', async ([, numbers, inMetadata]) => {
		const manifest = await manifestWith([...numbers]);
		expect(await commitManifest(context, manifest)).toBe(true);
		const later = Date.parse(manifest.startedAt) + HOUR;
		const [first] = await listStored(engine({ now: () => later }));
		expect(first?.name).toBe(manifest.name);
		expect(first?.files).toEqual(manifest.volumes.map(({ key }) => key));
		const object = await env.MY_BUCKET.head(manifestKey(manifest.name));
		const summary = parseSummary(object?.customMetadata?.['summary']);
		expect(summary !== null).toBe(inMetadata);
	});

	test('is written once: another with its name changes nothing', async () => {
		const manifest = await manifestWith([1]);
		expect(await commitManifest(context, manifest)).toBe(true);
		expect(await commitManifest(context, { ...manifest, warnings: ['x'] })).toBe(false);
		const { manifest: stored } = await readManifest(env.MY_BUCKET, manifestKey(manifest.name), []);
		expect(stored.warnings).toEqual([]);
	});
});

/** A backup stored in the bucket. */
async function storedBackup(): Promise<{ name: string; file: string }> {
	const name = await backUp();
	return { name, file: `${name}.sql` };
}

const MISSING = 'full_backup_2026-12-01T00:00:00.000Z';

describe('the manifest of a backup', () => {
	test('is found by the name of any of its files', async () => {
		const { name, file } = await storedBackup();
		expect((await readManifest(env.MY_BUCKET, file, [])).manifest.name).toBe(name);
		expect((await findManifest(env.MY_BUCKET, name, []))?.name).toBe(name);
	});

	test.for([`${MISSING}.sql`, 'notes.txt', ''])('is not found for "%s"', async (fileName) => {
		await storedBackup();
		await expect(readManifest(env.MY_BUCKET, fileName, [])).rejects.toMatchObject({
			code: 'backup_not_found',
			status: 404,
		});
		expect(await findManifest(env.MY_BUCKET, MISSING, [])).toBeNull();
	});

	test('is not accepted if it belongs to another backup', async () => {
		const { name } = await storedBackup();
		const text = await (await env.MY_BUCKET.get(manifestKey(name)))?.text();
		await env.MY_BUCKET.put(manifestKey(MISSING), text ?? '');
		expect(await findManifest(env.MY_BUCKET, MISSING, [])).toBeNull();
	});

	test('that cannot be read is an error, not a missing backup', async () => {
		const { name } = await storedBackup();
		await env.MY_BUCKET.put(manifestKey(name), 'damaged');
		const refused = { code: 'manifest_unreadable', status: 500 };
		await expect(findManifest(env.MY_BUCKET, name, [])).rejects.toMatchObject(refused);
	});
});

describe('a file of a backup', () => {
	test('is found only with a manifest, and only under a valid name', async () => {
		const { name, file } = await storedBackup();
		await env.MY_BUCKET.put('notes.txt', 'x');
		expect((await findFile(env.MY_BUCKET, file))?.key).toBe(file);
		expect(await findFile(env.MY_BUCKET, 'notes.txt')).toBeNull();
		await env.MY_BUCKET.delete(manifestKey(name));
		expect(await findFile(env.MY_BUCKET, file)).toBeNull();
	});

	test('is read in whole or in part, unless it has changed since it was found', async () => {
		const { file } = await storedBackup();
		const found = await findFile(env.MY_BUCKET, file);
		if (!found) throw new Error('The backup has no such file.');
		const read = (range?: ByteRange) => readFile(env.MY_BUCKET, found, range);
		const whole = await (await read())?.text();
		expect(whole?.length).toBe(found.size);
		expect(await (await read({ offset: 3, length: 8 }))?.text()).toBe(whole?.slice(3, 11));
		await env.MY_BUCKET.put(file, 'another');
		expect(await read()).toBeNull();
		await env.MY_BUCKET.delete(file);
		expect(await read()).toBeNull();
	});

	test('is a volume that is read in chunks, or null if it is gone', async () => {
		const { file } = await storedBackup();
		const chunks = await Array.fromAsync((await readVolume(env.MY_BUCKET, file)) ?? []);
		const object = await env.MY_BUCKET.get(file);
		expect(Buffer.concat(chunks).toString()).toBe(await object?.text());
		expect(await readVolume(env.MY_BUCKET, `${MISSING}.sql`)).toBeNull();
	});
});

test('a name is in use as soon as any key starts with it', async () => {
	await expect(requireUnused(env.MY_BUCKET, MISSING)).resolves.toBeUndefined();
	await env.MY_BUCKET.put(`${MISSING}.7.sql.gz`, 'x');
	const refused = { code: 'backup_exists', status: 409, retryable: true };
	await expect(requireUnused(env.MY_BUCKET, MISSING)).rejects.toMatchObject(refused);
});

test('a list has exactly the objects with the prefix, from every page', async () => {
	const keys = upTo(25).map((number) => volumeKey(MISSING, number, []));
	await Promise.all([...keys, 'journal/1'].map((key) => env.MY_BUCKET.put(key, 'x')));
	const pages = new Proxy(env.MY_BUCKET, {
		get: (target) => (options: R2ListOptions) => target.list({ ...options, limit: 10 }),
	});
	const found = await Array.fromAsync(listObjects(pages, 'full_backup_'));
	expect(found.map(({ key }) => key)).toEqual(keys.toSorted());
});

test('an error from R2 becomes a storage error', async () => {
	const bucket = new Proxy(env.MY_BUCKET, {
		get: () => () => Promise.reject(new Error('We encountered an internal error. (10001)')),
	});
	const refused = { code: 'storage_error', status: 500, retryable: true };
	await expect(readVolume(bucket, `${MISSING}.sql`)).rejects.toMatchObject(refused);
	await expect(findFile(bucket, `${MISSING}.sql`)).rejects.toMatchObject(refused);
	await expect(listStored(engine({ bucket }))).rejects.toMatchObject(refused);
	await expect(
		commitManifest({ ...context, bucket }, await manifestWith([1])),
	).rejects.toMatchObject(refused);
});
