import { env } from 'cloudflare:workers';
import type { R2Bucket } from '@cloudflare/workers-types';
import { beforeEach, describe, expect, test } from 'vitest';
import { otherKey } from '../../../../../../tests/encodings.ts';
import { lockedBucket } from '../../../../../../tests/locked-bucket.ts';
import { reset } from '../../../../../../tests/reset.ts';
import {
	DAY,
	drillOf,
	engineAt,
	HOUR,
	NOW,
	retention,
	store,
	storeDays,
} from '../../../../../../tests/retained.ts';
import type { Engine } from '../../engine.ts';
import { manifestKey, sliceListKey } from '../../format/names.ts';
import { proofKey } from '../../format/proof.ts';
import { storeProof } from '../../storage/bucket.ts';
import { acquireLock } from '../../storage/lock.ts';
import { prefixed } from '../../storage/prefixed.ts';
import { buryBackup } from '../../storage/tombstone.ts';
import { GRACE_MS } from '../marks.ts';
import { pruneNow } from '../run.ts';
import type { CheckedPage, Finding } from './findings.ts';
import { checkBucket } from './index.ts';

beforeEach(reset);

const sleep = async () => {};
const named = (day: number) => `full_backup_2026-10-${String(day).padStart(2, '0')}T00:00:00.000Z`;
const put = (key: string, body = 'SELECT 1;') => env.MY_BUCKET.put(key, body);

/** Checks the whole bucket in one page. */
async function check(
	changes: { bucket?: Engine['bucket']; others?: string[] } = {},
): Promise<CheckedPage> {
	const { others = [], ...engine } = changes;
	return checkBucket(engineAt(NOW, engine), { others });
}

const states = ({ objects }: { objects: Finding[] }) =>
	Object.fromEntries(objects.map(({ key, state }) => [key, state]));

/** How many objects are in each state that has any. */
const counts = ({ totals }: CheckedPage) =>
	Object.fromEntries(
		Object.entries(totals).flatMap(([state, { objects }]) =>
			objects > 0 ? [[state, objects]] : [],
		),
	);

/** When the grace of what {@link markOldest} marks is over. */
const LATER = NOW + GRACE_MS;

/** Marks the oldest of five backups, and returns its name; there is another one later. */
async function markOldest(): Promise<string | undefined> {
	const names = await storeDays(5);
	await pruneNow(engineAt(NOW), retention({ last: 4 }));
	await store(LATER - HOUR);
	return names[4];
}

describe('an object is', () => {
	test('valid if it is of a signed backup, or what Lifeboat remembers', async () => {
		const full = await store(NOW - 2 * DAY, { volumes: 3 });
		await store(NOW - DAY, { parent: full });
		for (const key of ['lifeboat.lock', 'lifeboat-drill.lock', 'keep/pins.json', 'journal/1']) {
			await put(key);
		}
		const page = await check();
		expect(page).toMatchObject({ objects: [], cursor: null });
		expect(counts(page)).toEqual({ valid: 5 + 4 + 2 });
		const { size } = (await env.MY_BUCKET.head(`${full}.3.sql`)) ?? { size: 0 };
		expect(size).toBe(4);
		expect(page.totals.valid.bytes).toBeGreaterThan(2 + 3 + 4 + 2);
	});

	test('valid although another tool has copied it here without its metadata', async () => {
		const name = await store(NOW - DAY);
		for (const key of [
			manifestKey(name),
			proofKey(name, new Date(NOW - DAY + HOUR).toISOString()),
		]) {
			const object = await env.MY_BUCKET.get(key);
			await put(key, await object?.text());
		}
		expect(counts(await check())).toEqual({ valid: 3 });
	});

	test('in progress while a backup of its name holds the lock, or has a ticket', async () => {
		const lock = await acquireLock(engineAt(NOW), 'backup', named(1));
		await put(`${named(1)}.sql`);
		await put(`${named(2)}.sql`);
		const expected = { [`${named(1)}.sql`]: 'in_progress', [`${named(2)}.sql`]: 'leftover' };
		expect(states(await check())).toEqual(expected);
		await lock.handOver(NOW + HOUR, 'state');
		expect(states(await check())).toEqual(expected);
		const later = await checkBucket(engineAt(NOW + HOUR), {});
		expect(states(later)).toMatchObject({ [`${named(1)}.sql`]: 'leftover' });
	});

	test('a leftover if its backup was given up, never completed or is gone, or does not name it', async () => {
		await buryBackup({ bucket: env.MY_BUCKET, sleep }, named(1));
		await put(`${named(1)}.2.sql`);
		await put(`${named(2)}.sql.gz`);
		await put(sliceListKey(named(3)));
		await put(proofKey(named(3), '2026-11-01T00:00:00.000Z'));
		const name = await store(NOW - DAY);
		await put(`${name}.7.sql`);
		const page = await check();
		expect(page.objects).toMatchObject([
			{ key: `${named(1)}.2.sql`, state: 'leftover', text: 'its backup was given up' },
			{ key: manifestKey(named(1)), state: 'leftover', backup: named(1) },
			{ key: `${named(2)}.sql.gz`, size: 9, text: 'its backup was never completed' },
			{ key: proofKey(named(3), '2026-11-01T00:00:00.000Z'), text: 'its backup is gone' },
			{ key: sliceListKey(named(3)), text: 'its backup is gone' },
			{ key: `${name}.7.sql`, text: 'the manifest of its backup does not name it' },
		]);
		expect(counts(page)).toEqual({ valid: 3, leftover: 6 });
	});

	test('a leftover if its removal has begun', async () => {
		await markOldest();
		const bucket = brokenAfter('delete', (keys) => String(keys).endsWith('.sql'));
		const removal = pruneNow(engineAt(LATER, { bucket }), retention({ last: 5 }));
		await expect(removal).rejects.toMatchObject({ code: 'storage_error' });
		const { objects } = await checkBucket(engineAt(LATER), {});
		expect(objects).toHaveLength(2);
		for (const { state, text } of objects) {
			expect([state, text]).toEqual(['leftover', 'its removal is not finished']);
		}
	});

	test('missing if its manifest names it', async () => {
		const full = await store(NOW - 3 * DAY, { volumes: 3 });
		await env.MY_BUCKET.delete(`${full}.2.sql`);
		await put(`${full}.3.sql`, 'too long');
		const page = await check();
		expect(page.objects).toMatchObject([
			{ key: `${full}.3.sql`, state: 'missing', size: 8, text: 'it has 8 bytes instead of 4' },
			{ key: `${full}.2.sql`, state: 'missing', size: null, text: 'it does not exist' },
		]);
		expect(counts(page)).toEqual({ valid: 3, missing: 2 });
	});

	test('missing if a differential rests on it, or is nothing without it for plain tools', async () => {
		const full = await store(NOW - 3 * DAY);
		const child = await store(NOW - 2 * DAY, { parent: full });
		const other = await store(NOW - DAY, { parent: full });
		await env.MY_BUCKET.delete([manifestKey(full), sliceListKey(child)]);
		const { objects } = await check();
		expect(objects.filter(({ backup }) => backup !== full)).toMatchObject([
			{ key: sliceListKey(child), state: 'missing', backup: child },
			{ key: manifestKey(full), state: 'missing', backup: child, text: 'the backup rests on it' },
			{ key: manifestKey(full), state: 'missing', backup: other, text: 'the backup rests on it' },
		]);
	});

	test('the manifest that somebody has removed from a complete backup: the rest stays', async () => {
		const name = await store(NOW - 3 * DAY);
		await env.MY_BUCKET.delete(manifestKey(name));
		const page = await check();
		expect(states(page)).toMatchObject({
			[manifestKey(name)]: 'missing',
			[`${name}.sql`]: 'foreign',
		});
	});

	test('locked if it would be removed, and a lock rule keeps it', async () => {
		const locked = lockedBucket(env.MY_BUCKET);
		await put(`${named(1)}.sql`);
		await put('incremental_backup_2026-10-01T00:00:00.000Z.sql');
		const before = await env.MY_BUCKET.head(`${named(1)}.sql`);
		expect(states(await check({ bucket: locked }))).toEqual({
			[`${named(1)}.sql`]: 'locked',
			'incremental_backup_2026-10-01T00:00:00.000Z.sql': 'leftover',
		});
		expect(await env.MY_BUCKET.head(`${named(1)}.sql`)).toEqual(before);
	});

	test('locked if a rule kept it when it was to be removed', async () => {
		const bucket = lockedBucket(env.MY_BUCKET);
		const oldest = await markOldest();
		const { locked } = await pruneNow(engineAt(LATER, { bucket }), retention({ last: 5 }));
		expect(locked).toEqual([oldest]);
		const page = await checkBucket(engineAt(LATER, { bucket }), {});
		expect(counts(page)).toEqual({ valid: 15, locked: 3 });
		expect(page.objects[0]?.text).toMatch(/^a lock rule kept it from being removed on 2026-/);
	});

	test('foreign if nothing shows that it is the app’s own', async () => {
		const name = await store(NOW - DAY);
		const forged = await store(NOW - 2 * DAY, { signer: otherKey });
		const unsigned = await store(NOW - 3 * DAY, { signer: null, drilled: null });
		const elsewhere = await store(NOW - 4 * DAY);
		const copy = named(1);
		await put(manifestKey(copy), await (await env.MY_BUCKET.get(manifestKey(name)))?.text());
		await put(manifestKey(named(2)), '{}');
		await put(`${name}.sql.gz.bak`);
		await put(`${name}.sql/inside`);
		await put('uploads/1.png');
		await put('index.html');
		const proof = drillOf(name, NOW - HOUR);
		await storeProof({ bucket: env.MY_BUCKET, sleep, signer: otherKey }, proof);
		const page = await checkBucket(
			engineAt(NOW, { keys: engineAt(NOW).keys.map((key) => ({ ...key, databases: ['main'] })) }),
			{},
		);
		const found = states(page);
		for (const key of [
			...[manifestKey(forged), `${forged}.sql`, manifestKey(unsigned), `${unsigned}.sql`],
			...[manifestKey(copy), manifestKey(named(2)), `${name}.sql.gz.bak`, `${name}.sql/`],
			...['uploads/', 'index.html', proofKey(name, proof.finishedAt)],
		]) {
			expect([key, found[key]]).toEqual([key, 'foreign']);
		}
		expect(found[`${name}.sql`]).toBeUndefined();
		expect(found[manifestKey(elsewhere)]).toBeUndefined();
		const texts = Object.fromEntries(page.objects.map(({ key, text }) => [key, text]));
		expect(texts[manifestKey(copy)]).toBe('its manifest is that of another backup');
		expect(texts[manifestKey(forged)]).toContain('was changed, or was signed with a secret');
		expect(texts['uploads/']).toBe('not a file of a backup');
	});

	test('not foreign if it is of another database of the app', async () => {
		const bucket = prefixed(env.MY_BUCKET, 'stats/');
		const name = await store(NOW - DAY, { bucket });
		await put('gone/full_backup_2026-10-01T00:00:00.000Z.sql');
		const first = await check({ others: ['stats/'] });
		expect(states(first)).toEqual({ 'gone/': 'foreign' });
		expect(counts(await check({ bucket }))).toEqual({ valid: 3 });
		expect(name).toMatch(/^full_/);
	});
});

/** The bucket, in which calls of this method fail for these arguments. */
function brokenAfter(method: 'delete', fails: (first: unknown) => boolean): R2Bucket {
	return new Proxy(env.MY_BUCKET, {
		get(target, name) {
			const value: unknown = Reflect.get(target, name);
			if (typeof value !== 'function') return value;
			return (...args: unknown[]) => {
				if (name === method && fails(args[0])) return Promise.reject(new Error('broken (10001)'));
				return Reflect.apply(value, target, args) as unknown;
			};
		},
	});
}
