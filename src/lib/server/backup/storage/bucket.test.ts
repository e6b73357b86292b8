import { env } from 'cloudflare:workers';
import { beforeEach, describe, expect, test } from 'vitest';
import { reset } from '../../../../../tests/reset.ts';
import { backUp, createBackup, engine } from '../../../../../tests/backups.ts';
import { type Manifest, parseSummary } from '../format/manifest.ts';
import { type EncodingName, backupName, volumeKey, manifestKey } from '../format/names.ts';
import { commitManifest, readManifest } from './bucket.ts';
import { listStored } from './list.ts';

beforeEach(reset);

const context = { bucket: env.MY_BUCKET, sleep: async () => {} };

/** A manifest with volumes of these numbers. */
async function manifestWith(numbers: number[]): Promise<Manifest> {
	await backUp();
	const manifest = await createBackup(engine());
	const name = backupName('full', new Date('2026-12-01T00:00:00.000Z'));
	const [volume] = manifest.volumes;
	if (!volume) throw new Error('The backup has no volume.');
	const encodings: EncodingName[] = ['gzip', 'age']; // which have the longest names
	const key = (number: number) => volumeKey(name, number, encodings);
	const volumes = numbers.map((number) => ({ ...volume, encodings, key: key(number) }));
	return { ...manifest, name, startedAt: '2026-12-01T00:00:00.000Z', volumes };
}

const upTo = (count: number) => Array.from({ length: count }, (_, index) => index + 1);

describe('a manifest', () => {
	test.for([
		['many volumes', upTo(150), true],
		['volumes of which some were stored twice', [1, 2, 5, 6, 9], true],
		['thousands of volumes', upTo(5_000), true],
		['more gaps than metadata holds', upTo(3_000).map((number) => 2 * number), false],
	] as const)('of %s is committed, and listed with its files', async ([, numbers, inMetadata]) => {
		const manifest = await manifestWith([...numbers]);
		expect(await commitManifest(context, manifest)).toBe(true);
		const [first] = await listStored(env.MY_BUCKET);
		expect(first?.name).toBe(manifest.name);
		expect(first?.files).toEqual(manifest.volumes.map(({ key }) => key));
		const object = await env.MY_BUCKET.head(manifestKey(manifest.name));
		const summary = parseSummary(object?.customMetadata?.['summary']);
		expect(summary !== null).toBe(inMetadata);
	});

	test('is written once: another of its name changes nothing', async () => {
		const manifest = await manifestWith([1]);
		expect(await commitManifest(context, manifest)).toBe(true);
		expect(await commitManifest(context, { ...manifest, warnings: ['x'] })).toBe(false);
		const { manifest: stored } = await readManifest(env.MY_BUCKET, manifestKey(manifest.name), []);
		expect(stored.warnings).toEqual([]);
	});
});
