import { env } from 'cloudflare:workers';
import { beforeEach, describe, expect, test } from 'vitest';
import { backUp, clock, keys } from '../../../../../tests/backups.ts';
import { reset } from '../../../../../tests/reset.ts';
import { manifestKey, sliceListKey } from '../format/names.ts';
import { commitManifest, findManifest } from './bucket.ts';
import { giveUp, removeLeftovers, removeStrays } from './leftovers.ts';

beforeEach(reset);

const context = { bucket: env.MY_BUCKET, sleep: async () => {}, signer: null };
const ABANDONED = 'full_backup_2026-12-01T00:00:00.000Z';
const DAY = 24 * 3_600_000;

const store = (...names: string[]) =>
	Promise.all(names.map((name) => env.MY_BUCKET.put(name, 'SELECT 1;\n')));

describe('a backup that is given up', () => {
	test('loses its volumes, and can no longer be committed by a stalled Worker', async () => {
		const name = await backUp();
		const manifest = await findManifest(env.MY_BUCKET, name, []);
		if (!manifest) throw new Error('There is no manifest.');
		await store(`${ABANDONED}.sql`, `${ABANDONED}.2.sql`);
		expect(await giveUp(context, ABANDONED, [])).toBeNull();
		expect(await keys()).toEqual([manifestKey(name), sliceListKey(name), `${name}.sql`]);
		expect(await commitManifest(context, { ...manifest, name: ABANDONED })).toBe(false);
		expect(await findManifest(env.MY_BUCKET, ABANDONED, [])).toBeNull();
	});

	test('stays as it is if it was committed meanwhile', async () => {
		const name = await backUp();
		const before = await keys();
		expect((await giveUp(context, name, []))?.name).toBe(name);
		expect(await keys()).toEqual(before);
	});
});

describe('leftovers', () => {
	test('are removed where there is a tombstone, and the tombstone itself a day later', async () => {
		await store(`${ABANDONED}.sql`);
		await giveUp(context, ABANDONED, []);
		await store(`${ABANDONED}.2.sql`); // of a Worker that was stalled
		await removeLeftovers(env.MY_BUCKET, [], Date.now());
		expect((await env.MY_BUCKET.list()).objects.map(({ key }) => key)).toEqual([
			manifestKey(ABANDONED),
		]);
		await removeLeftovers(env.MY_BUCKET, [], Date.now() + DAY + 1000);
		expect((await env.MY_BUCKET.list()).objects).toEqual([]);
	});

	test('are removed where a manifest does not name them', async () => {
		const name = await backUp();
		const before = await keys();
		await store(`${name}.7.sql`);
		await removeLeftovers(env.MY_BUCKET, [], clock.now);
		expect(await keys()).toEqual(before);
	});

	test('stay where there is neither: they may be somebody’s copy', async () => {
		await store(`${ABANDONED}.sql`);
		await removeLeftovers(env.MY_BUCKET, [], Date.now() + DAY);
		expect(await keys()).toEqual([`${ABANDONED}.sql`]);
	});
});

test('the volumes that a manifest names are no strays', async () => {
	const name = await backUp();
	const manifest = await findManifest(env.MY_BUCKET, name, []);
	const before = await keys();
	await removeStrays(env.MY_BUCKET, { name, volumes: manifest?.volumes ?? [] });
	expect(await keys()).toEqual(before);
});
