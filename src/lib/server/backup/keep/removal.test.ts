import { env } from 'cloudflare:workers';
import type { R2Bucket } from '@cloudflare/workers-types';
import { beforeEach, describe, expect, test } from 'vitest';
import { lockedBucket } from '../../../../../tests/locked-bucket.ts';
import { reset } from '../../../../../tests/reset.ts';
import {
	DAY,
	engineAt,
	filesOf,
	HOUR,
	NOW,
	objectsOf,
	pruneAt,
	store,
	storeDays,
} from '../../../../../tests/retained.ts';
import { manifestKey, volumeKey } from '../format/names.ts';
import { changeMarks, GRACE_MS, readMarks } from './marks.ts';
import { pinBackup } from './requests.ts';

beforeEach(reset);

const DUE = NOW + GRACE_MS;

/** The newest backups, and one old full backup with a differential; both are marked. */
async function withChild(): Promise<{ parent: string; child: string }> {
	await storeDays(4);
	const parent = await store(NOW - 20 * DAY);
	const child = await store(NOW - 19 * DAY, { parent });
	await pruneAt(NOW, 4);
	await store(DUE - HOUR);
	return { parent, child };
}

describe('a full backup', () => {
	test('stays as long as a differential rests on it, also one that is marked', async () => {
		const { parent, child } = await withChild();
		await changeMarks(engineAt(NOW), (marks) => ({
			...marks,
			[child]: { at: NOW + 1, by: 'rule' },
		}));
		const { removed, backups } = await pruneAt(DUE, 5);
		expect(removed).toEqual([]);
		expect(backups.find(({ name }) => name === parent)).toMatchObject({ action: 'wait' });
		expect(await pruneAt(DUE + 1, 5)).toMatchObject({ removed: [child, parent] });
	});

	test('stays while the differential is locked', async () => {
		const { parent, child } = await withChild();
		const bucket = lockedBucket(env.MY_BUCKET, 'incremental_');
		const { removed, locked } = await pruneAt(DUE, 5, { bucket });
		expect([removed, locked]).toEqual([[], [child]]);
		expect(await filesOf(parent)).toHaveLength(3);
	});

	test('goes after its differential', async () => {
		await withChild();
		const { bucket, deleted } = deletions();
		await pruneAt(DUE, 5, { bucket });
		const [first, second] = deleted;
		expect([first?.[0], second?.[0]]).toEqual([
			expect.stringMatching(/^incremental.*manifest.json$/),
			expect.stringMatching(/^full.*manifest.json$/),
		]);
	});
});

test('manifests go before volumes and slices, and these before proofs', async () => {
	await withChild();
	const { bucket, deleted } = deletions();
	await pruneAt(DUE, 5, { bucket });
	const kinds = deleted.map((keys) => [...new Set(keys.map(kindOf))].sort().join(' '));
	expect(kinds).toEqual(['manifest', 'manifest', 'slices volume', 'proof']);
});

describe('what a lock rule keeps', () => {
	test('is not a failure: it is told, and tried again a day later', async () => {
		await storeDays(4);
		const old = [await store(NOW - 20 * DAY), await store(NOW - 21 * DAY)];
		await pruneAt(NOW, 4);
		await store(DUE - HOUR);
		const { bucket, deleted } = deletions(lockedBucket(env.MY_BUCKET));
		const first = await pruneAt(DUE, 5, { bucket });
		expect(first).toMatchObject({ removed: [], locked: old.toReversed() });
		expect(first.backups.at(-1)).toMatchObject({
			...{ action: 'remove', result: 'locked', keep: false },
		});
		deleted.length = 0;
		const soon = await pruneAt(DUE + HOUR, 5, { bucket });
		expect(soon.backups.at(-1)).toMatchObject({ action: 'wait', mark: { locked: true } });
		expect(deleted.filter((keys) => keys.some((key) => key.startsWith('full')))).toEqual([]);
		await store(DUE + DAY - HOUR);
		expect(await pruneAt(DUE + DAY, 6)).toMatchObject({ removed: old.toReversed() });
		expect((await objectsOf()).filter((key) => old.some((name) => key.startsWith(name)))).toEqual(
			[],
		);
	});

	test('does not hold others', async () => {
		await storeDays(4);
		const [locked, free] = [await store(NOW - 21 * DAY), await store(NOW - 20 * DAY)];
		await pruneAt(NOW, 4);
		await store(DUE - HOUR);
		const bucket = lockedBucket(env.MY_BUCKET, locked);
		expect(await pruneAt(DUE, 5, { bucket })).toMatchObject({ removed: [free], locked: [locked] });
		expect(await filesOf(locked)).toHaveLength(3);
	});

	test.for(['.sql', '.proof-'])('of a removed backup goes later: %s', async (ending) => {
		await storeDays(4);
		const name = await store(NOW - 20 * DAY);
		await pruneAt(NOW, 4);
		await store(DUE - HOUR);
		const bucket = lockedBucket(env.MY_BUCKET, `${name}${ending}`);
		expect(await pruneAt(DUE, 5, { bucket })).toMatchObject({ removed: [], locked: [name] });
		expect(await filesOf(name)).toEqual([expect.stringContaining(`${name}${ending}`)]);
		expect(await readMarks(engineAt(DUE))).toMatchObject({ [name]: { removing: true } });
		expect(await pruneAt(DUE + HOUR, 5)).toMatchObject({ removed: [name], locked: [] });
		expect(await filesOf(name)).toEqual([]);
		expect(await readMarks(engineAt(DUE))).toEqual({});
	});
});

test('volumes without a manifest stay for a day, in which somebody may be copying a backup back', async () => {
	await storeDays(5);
	const copy = 'full_backup_2025-01-01T00:00:00.000Z';
	await env.MY_BUCKET.put(volumeKey(copy, 1), 'SELECT 1;');
	await changeMarks(engineAt(NOW), () => ({ [copy]: { at: 1, by: 'request' } }));
	expect((await pruneAt(NOW, 4)).removed).toEqual([]);
	expect(await filesOf(copy)).toHaveLength(1);
	expect(await readMarks(engineAt(NOW))).not.toHaveProperty([copy]);
});

describe('a removal that has begun, and of which nothing is gone,', () => {
	const begin = () =>
		changeMarks(engineAt(NOW), (marks) => {
			const begun = Object.entries(marks).map(([name, mark]) => [
				name,
				{ ...mark, removing: true },
			]);
			return Object.fromEntries(begun) as typeof marks;
		});

	test('does not go on if a rule keeps the backup again', async () => {
		const names = await storeDays(6);
		await pruneAt(NOW, 4);
		await begin();
		expect(await pruneAt(NOW + HOUR, 6)).toMatchObject({
			unmarked: expect.arrayContaining(names.slice(4)),
			removed: [],
		});
		expect(await filesOf(names[5] ?? '')).toHaveLength(3);
	});

	test('counts as not begun while it is not due', async () => {
		const names = await storeDays(6);
		await pruneAt(NOW, 4);
		await begin();
		await pruneAt(NOW + HOUR, 4);
		expect(await readMarks(engineAt(NOW))).toMatchObject({ [names[5] ?? '']: { at: NOW } });
		await pinBackup(engineAt(NOW), `${names[5]}.sql`, '');
	});
});

/** The bucket, and the keys of each call that deletes backups, as far as it succeeds. */
function deletions(target: R2Bucket = env.MY_BUCKET) {
	const deleted: string[][] = [];
	const bucket = new Proxy(target, {
		get(object, property) {
			const value: unknown = Reflect.get(object, property);
			if (typeof value !== 'function') return value;
			if (property !== 'delete') return value.bind(object) as unknown;
			return async (keys: string | string[]) => {
				const backups = [keys].flat().filter((key) => key.includes('_backup_'));
				if (backups.length > 0) deleted.push(backups);
				return object.delete(keys);
			};
		},
	});
	return { bucket, deleted };
}

function kindOf(key: string): string {
	if (key.endsWith('.manifest.json')) return 'manifest';
	if (key.includes('.proof-')) return 'proof';
	return key.endsWith('.slices') ? 'slices' : 'volume';
}

test('a manifest that is locked saves the whole backup', async () => {
	await storeDays(4);
	const name = await store(NOW - 20 * DAY, { volumes: 2 });
	await pruneAt(NOW, 4);
	await store(DUE - HOUR);
	const bucket = lockedBucket(env.MY_BUCKET, manifestKey(name));
	expect(await pruneAt(DUE, 5, { bucket })).toMatchObject({ removed: [], locked: [name] });
	expect(await filesOf(name)).toHaveLength(4);
});
