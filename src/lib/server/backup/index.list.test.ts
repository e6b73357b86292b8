import { env } from 'cloudflare:workers';
import { beforeEach, describe, expect, test } from 'vitest';
import { small } from '../../../../tests/sample-databases.ts';
import { reset } from '../../../../tests/reset.ts';
import { createBackup, engine } from '../../../../tests/backups.ts';
import { describeFile, listBackups, openFile } from './index.ts';
import { backupName, manifestKey } from './format/names.ts';
import { LOCK_KEYS } from './storage/lock.ts';

beforeEach(reset);

describe('the list', () => {
	test('shows complete backups only, newest first, page by page', async () => {
		await small();
		const names: string[] = [];
		for (let count = 0; count < 5; count++) names.unshift((await createBackup(engine())).name);
		await env.MY_BUCKET.put('full_backup_2026-11-22T00:00:00.000Z.sql', 'no manifest');
		await env.MY_BUCKET.put('notes.manifest.json', '{}');
		await env.MY_BUCKET.put('full_backup_x.manifest.json', '{}');
		await env.MY_BUCKET.put('photo.png', 'x');

		const first = await listBackups(engine(), { limit: 2 });
		const second = await listBackups(engine(), { limit: 2, cursor: first.cursor ?? '' });
		const third = await listBackups(engine(), { limit: 2, cursor: second.cursor ?? '' });
		const listed = [first, second, third].flatMap((page) => page.backups.map(({ name }) => name));
		expect(listed).toEqual(names);
		expect(third.cursor).toBeNull();
		expect(first.backups[0]).toMatchObject({ rows: 6, tables: 4, files: [`${names[0]}.sql`] });
	});

	test('shows a backup that another tool copied without its metadata', async () => {
		await small();
		const { name } = await createBackup(engine());
		const listed = await listBackups(engine());
		const manifest = await env.MY_BUCKET.get(manifestKey(name));
		await env.MY_BUCKET.put(manifestKey(name), (await manifest?.text()) ?? '');
		expect(listed.backups).toHaveLength(1);
		expect(await listBackups(engine())).toEqual(listed);

		await env.MY_BUCKET.put(manifestKey(name), 'damaged');
		expect((await listBackups(engine())).backups).toEqual([]);
	});

	test('goes by the names for times, and leaves out what is from the future', async () => {
		await small();
		const name = await createBackup(engine()).then((manifest) => manifest.name);
		const object = await env.MY_BUCKET.get(manifestKey(name));
		const text = (await object?.text()) ?? '';
		const summary = object?.customMetadata?.['summary'] ?? '';
		const now = Date.parse(name.slice(-24));
		const dated = (milliseconds: number) => backupName('full', new Date(now + milliseconds));
		const MINUTE = 60_000;
		const [older, drifted, later] = [dated(-MINUTE), dated(4 * MINUTE), dated(6 * MINUTE)];
		for (const planted of [older, drifted, later, dated(10 ** 12)]) {
			const metadata = { ...JSON.parse(summary), name: planted, startedAt: '2099-01-01T00:00:00Z' };
			const customMetadata = { summary: JSON.stringify(metadata) };
			await env.MY_BUCKET.put(manifestKey(planted), text, { customMetadata });
		}
		const { backups } = await listBackups(engine({ now: () => now }));
		expect(backups.map((backup) => [backup.name, backup.startedAt])).toEqual(
			[drifted, name, older].map((listed) => [listed, listed.slice(-24)]),
		);
	});

	test('an unknown cursor is refused', async () => {
		await expect(listBackups(engine(), { cursor: 'full_backup_never' })).rejects.toMatchObject({
			code: 'cursor_unknown',
			status: 400,
		});
	});

	test('continues beyond one page of the bucket', async () => {
		const { name } = await createBackup(engine());
		const object = await env.MY_BUCKET.get(manifestKey(name));
		const text = (await object?.text()) ?? '';
		for (let number = 100; number < 350; number++) {
			const copy = `full_backup_2025-01-01T00:00:00.${number}Z`;
			const summary = object?.customMetadata?.['summary']?.replaceAll(name, copy) ?? '';
			await env.MY_BUCKET.put(manifestKey(copy), text, { customMetadata: { summary } });
		}
		let seen = 0;
		let cursor: string | undefined;
		do {
			const page = await listBackups(engine(), { limit: 100, cursor });
			seen += page.backups.length;
			cursor = page.cursor ?? undefined;
		} while (cursor);
		expect(seen).toBe(251);
	});
});

describe('a file', () => {
	test('of a complete backup is found and read', async () => {
		await small();
		const { name } = await createBackup(engine());
		const file = await describeFile(env.MY_BUCKET, `${name}.sql`);
		const part = await openFile(env.MY_BUCKET, file, { offset: 3, length: 8 });
		expect(await part.text()).toBe('Lifeboat');
	});

	test.for([
		'photo.png',
		LOCK_KEYS.backup,
		'full_backup_2026-11-22T00:00:00.000Z.sql',
		'full_backup_2026-11-22T00:00:00.000Z.sql/../photo.png',
		'',
	])('%s is not served', async (key) => {
		if (key) await env.MY_BUCKET.put(key, 'x');
		await expect(describeFile(env.MY_BUCKET, key)).rejects.toMatchObject({
			code: 'backup_not_found',
			status: 404,
		});
	});
});
