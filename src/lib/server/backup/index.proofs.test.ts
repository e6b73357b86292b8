import { env } from 'cloudflare:workers';
import type { R2Bucket } from '@cloudflare/workers-types';
import { beforeEach, describe, expect, test } from 'vitest';
import { reset } from '../../../../tests/reset.ts';
import { backUp, change, engine, flipBit, keys, createBackup } from '../../../../tests/backups.ts';
import { listBackups } from './index.ts';
import { manifestKey } from './format/names.ts';
import { parseProof, proofKey } from './format/proof.ts';
import { drillBackup, recordProof, verifyBackup } from './prove/prove.ts';
import { LOCK_KEYS } from './storage/lock.ts';

beforeEach(reset);

describe('the proofs in the list', () => {
	/** The bucket, with a count of the calls of each method. */
	function counting(): { bucket: R2Bucket; calls: Record<string, number> } {
		const calls: Record<string, number> = {};
		const bucket = new Proxy(env.MY_BUCKET, {
			get(target, property) {
				const value: unknown = Reflect.get(target, property);
				if (typeof value !== 'function') return value;
				return (...parameters: unknown[]) => {
					calls[String(property)] = (calls[String(property)] ?? 0) + 1;
					return value.apply(target, parameters);
				};
			},
		});
		return { bucket, calls };
	}

	async function proven(): Promise<string> {
		const name = await backUp();
		await verifyBackup(engine(), `${name}.sql`);
		await drillBackup(engine(), env.DRILL_DB, `${name}.sql`);
		return name;
	}

	test('show the newest proof of each kind, and none of another backup', async () => {
		const name = await proven();
		const other = (await createBackup(engine())).name;
		await verifyBackup(engine(), `${name}.sql`);
		const drilled = await drillBackup(engine(), env.DRILL_DB, `${name}.sql`);
		await change(`${name}.sql`, (bytes) => flipBit(bytes, 999));
		const verified = await verifyBackup(engine(), `${name}.sql`);
		const late = { ...drilled, by: 'someone', startedAt: '2026-11-01T00:00:00.000Z' };
		const { kind, by, startedAt, tables, rows, bytes } = late;
		await recordProof(engine(), `${name}.sql`, {
			...{ kind, by, startedAt, finishedAt: '2026-11-21T00:00:00.000Z' },
			...{ proven: false, scope: 'contents', tables, rows, bytes, differences: ['It came late.'] },
		});
		expect((await listBackups(env.MY_BUCKET)).backups).toMatchObject([
			{ name: other, verified: null, drilled: null },
			{
				name,
				verified: { at: verified.finishedAt, proven: false },
				drilled: { at: drilled.finishedAt, proven: true },
			},
		]);
	});

	test('are read from metadata, without reading objects', async () => {
		await proven();
		await createBackup(engine());
		const { bucket, calls } = counting();
		const { backups } = await listBackups(bucket);
		expect(backups).toMatchObject([{ drilled: null }, { drilled: { proven: true } }]);
		expect(calls).toEqual({ list: 1 });
	});

	test('are the same if another tool copied the objects without metadata', async () => {
		const name = await proven();
		const before = await listBackups(env.MY_BUCKET);
		for (const key of await keys()) await change(key, (bytes) => bytes);
		expect((await env.MY_BUCKET.head(manifestKey(name)))?.customMetadata).toEqual({});
		expect(await listBackups(env.MY_BUCKET)).toEqual(before);
	});

	test('skip unreadable objects and proofs of something else', async () => {
		const name = await proven();
		const [backup] = (await listBackups(env.MY_BUCKET)).backups;
		await env.MY_BUCKET.put(proofKey(name, '2026-11-23T00:00:00.000Z'), 'damaged');
		const other = { backup: 'full_backup_2020-01-01T00:00:00.000Z', proven: false };
		const object = await env.MY_BUCKET.get(proofKey(name, backup?.verified?.at ?? ''));
		const text = JSON.stringify({ ...parseProof(await object?.text()), ...other });
		await env.MY_BUCKET.put(proofKey(name, '2026-11-23T00:00:00.001Z'), text);
		await env.MY_BUCKET.put(`${name}.proof-latest.json`, text);
		expect((await listBackups(env.MY_BUCKET)).backups).toEqual([backup]);
	});

	test('are neither shown nor read for a backup without a manifest', async () => {
		const older = await proven();
		const newer = (await createBackup(engine())).name;
		await verifyBackup(engine(), `${newer}.sql`);
		await env.MY_BUCKET.delete(manifestKey(newer));
		for (const key of (await keys()).filter((stored) => stored.startsWith(newer))) {
			await change(key, (bytes) => bytes);
		}
		const { bucket, calls } = counting();
		const { backups } = await listBackups(bucket);
		expect(backups.map(({ name }) => name)).toEqual([older]);
		expect(calls).toEqual({ list: 1 });
	});
});

test('the leftovers of an abandoned backup are removed, even if it has proofs', async () => {
	const name = await backUp();
	await verifyBackup(engine(), `${name}.sql`);
	const complete = await keys();
	const dead = 'full_backup_2026-01-01T00:00:00.000Z';
	await env.MY_BUCKET.put(`${dead}.sql`, 'half');
	for (const abandoned of [dead, name]) {
		await env.MY_BUCKET.put(LOCK_KEYS.backup, JSON.stringify({ name: abandoned, until: 0 }));
		await createBackup(engine());
	}
	expect(await keys()).toEqual(expect.arrayContaining(complete));
	expect(await keys()).not.toContain(`${dead}.sql`);
});
