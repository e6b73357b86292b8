import { env } from 'cloudflare:workers';
import { beforeEach, expect, test } from 'vitest';
import { createBackup, engine } from '../../../../tests/backups.ts';
import { reset } from '../../../../tests/reset.ts';
import { mount } from '../../mount.ts';
import { sharedBucketWarnings } from './shared-bucket.ts';

const databases = { main: 'DB', stats: 'DB' };
const warnings = (prefix = '') =>
	sharedBucketWarnings(mount({ databases, prefix }).environment(env));

beforeEach(async () => {
	await reset();
	await createBackup(engine());
});

test('a bucket with what Lifeboat stores is its own', async () => {
	const keys = ['access/spent/1', 'journal/1', 'operations/a.json', 'lifeboat.lock'];
	for (const key of [...keys, 'lifeboat-drill.lock', 'stats/lifeboat.lock']) {
		await env.MY_BUCKET.put(key, '');
	}
	expect(await warnings()).toEqual([]);
});

test.for(['avatars/1.png', 'index.html', 'backup.sql', 'zebra', 'Stats/1', 'gone/x'])(
	'with %s it is shared',
	async (key) => {
		await env.MY_BUCKET.put(key, '');
		expect(await warnings()).toEqual([expect.stringContaining('holds more than backups')]);
		expect(await warnings('backups/')).toEqual([]);
	},
);

test('more backups than are looked at hide nothing', async () => {
	for (let day = 10; day < 31; day++) {
		for (let hour = 10; hour < 24; hour++) {
			await env.MY_BUCKET.put(`full_backup_2026-10-${day}T${hour}:00:00.000Z.sql`, '');
		}
	}
	expect(await warnings()).toEqual([]);
	await env.MY_BUCKET.put('uploads/1', '');
	expect(await warnings()).toHaveLength(1);
});

test('a bucket that cannot be listed does not keep a backup from being made', async () => {
	expect(await sharedBucketWarnings({})).toEqual([]);
});
