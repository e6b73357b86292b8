import { env } from 'cloudflare:workers';
import { beforeEach, describe, expect, test } from 'vitest';
import { clock, createBackup, engine } from '../../../../../tests/backups.ts';
import { key, otherKey } from '../../../../../tests/encodings.ts';
import { reset } from '../../../../../tests/reset.ts';
import { type Manifest, printManifest, printSummary } from '../format/manifest.ts';
import { backupName, manifestKey, volumeKey } from '../format/names.ts';
import type { BackupKey } from '../format/signature.ts';
import { commitManifest } from './bucket.ts';
import { checkSigned, listStored, newestSigned } from './list.ts';

beforeEach(reset);

const signing = (changes = {}) => engine({ keys: [key], ...changes });
const named = async () => (await listStored(signing())).map(({ name, signed }) => [name, signed]);

/** A new backup, as of an older version: its summary has no MAC. */
async function older(): Promise<Manifest> {
	const manifest = await createBackup(signing());
	const customMetadata = { summary: printSummary(manifest) ?? '' };
	await env.MY_BUCKET.put(manifestKey(manifest.name), printManifest(manifest), { customMetadata });
	return manifest;
}

/** A manifest with its summary, which somebody else has signed. */
async function plant(manifest: Manifest, signer: BackupKey | null = null): Promise<string> {
	const name = backupName('full', new Date(clock.now++));
	const volumes = manifest.volumes.map((volume) => ({ ...volume, key: volumeKey(name, 1) }));
	const context = { bucket: env.MY_BUCKET, sleep: async () => {}, signer };
	await commitManifest(context, { ...manifest, name, volumes });
	return name;
}

describe('the list', () => {
	test('tells from metadata which backups the app has made', async () => {
		const own = await createBackup(signing());
		const planted = [await plant(own), await plant(own, otherKey)];
		expect(await named()).toEqual([
			[planted[1], null],
			[planted[0], null],
			[own.name, true],
		]);
		expect((await listStored(engine({ keys: [] }))).every(({ signed }) => signed)).toBe(true);
	});

	test.for(['another manifest', 'another name', 'another date', 'another size'])(
		'does not believe a summary on %s',
		async (what) => {
			const own = await createBackup(signing());
			const object = await env.MY_BUCKET.head(manifestKey(own.name));
			const summary = object?.customMetadata?.['summary'] ?? '';
			const copy = own.name.replace('full_backup_2', 'full_backup_1');
			const [name, text, body] = {
				'another manifest': [own.name, summary, printManifest({ ...own, warnings: ['x'] })],
				'another name': [copy, summary.replaceAll(own.name, copy), printManifest(own)],
				'another date': [own.name, summary.replace('"startedAt":"2', '"startedAt":"1'), null],
				'another size': [own.name, summary.replace('"rows":', '"rows":1'), null],
			}[what] as [string, string, string | null];
			await env.MY_BUCKET.delete(manifestKey(own.name));
			await env.MY_BUCKET.put(manifestKey(name), body ?? printManifest(own), {
				customMetadata: { summary: text },
			});
			expect(text).not.toBe(body === null ? summary : '');
			expect(await named()).toEqual([[name, null]]);
		},
	);

	test('is of one database: the backup of another is not its own', async () => {
		const { name } = await createBackup(signing());
		const of = (databases: string[]) => listStored(signing({ keys: [{ ...key, databases }] }));
		expect(await of(['main', 'DB'])).toMatchObject([{ name, signed: true }]);
		const listed = await of(['other']);
		expect(listed).toMatchObject([{ name, signed: null }]);
		const keys = [{ ...key, databases: ['other'] }];
		expect(await newestSigned(signing({ keys }), listed)).toBeUndefined();
	});

	test('believes a replaced key until its end', async () => {
		const { name } = await createBackup(signing());
		const until = Date.parse(name.slice(-24));
		for (const [end, signed] of [
			[until, null],
			[until + 1, true],
		] as const) {
			const keys = [otherKey, { ...key, until: end }];
			expect(await listStored(signing({ keys }))).toMatchObject([{ name, signed }]);
		}
	});
});

describe('manifests whose summaries are not signed', () => {
	test('are read, a bounded number of them, the newest first', async () => {
		const [first, second, third] = [await older(), await older(), await older()];
		const forged = await plant(first, otherKey);
		const checked = await checkSigned(signing(), await listStored(signing()), 2);
		expect(checked.map(({ name, signed }) => [name, signed])).toEqual([
			[forged, false],
			[third.name, true],
			[second.name, null],
			[first.name, null],
		]);
	});

	test('do not hide the newest that is signed, however many there are', async () => {
		const own = await createBackup(signing());
		for (let count = 0; count < 7; count++) await plant(own, otherKey);
		const backups = await listStored(signing());
		expect(backups[0]?.name).not.toBe(own.name);
		expect(await newestSigned(signing(), backups)).toMatchObject({ name: own.name, signed: true });
	});
});
