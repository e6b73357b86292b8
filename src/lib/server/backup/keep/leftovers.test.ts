import { beforeEach, describe, expect, test, vi } from 'vitest';
import { otherKey } from '../../../../../tests/encodings.ts';
import { failingBucket } from '../../../../../tests/failing.ts';
import { lockedBucket } from '../../../../../tests/locked-bucket.ts';
import {
	DAY,
	engineAt,
	filesOf,
	HOUR,
	type Like,
	NOW,
	objectsOf,
	retention,
	store,
	storeDays,
} from '../../../../../tests/retained.ts';
import { SimulatedBucket } from '../../../../../tests/simulation/bucket.ts';
import type { Engine } from '../engine.ts';
import { manifestKey, sliceListKey } from '../format/names.ts';
import { proofKey } from '../format/proof.ts';
import { BUDGETS } from '../make/budget.ts';
import { countedBucket } from '../metered.ts';
import { acquireLock } from '../storage/lock.ts';
import { buryBackup } from '../storage/tombstone.ts';
import { previewPrune } from './prune.ts';
import { pruneNow } from './run.ts';

/** R2 dates its objects by its own clock, which only the simulation can set. */
let time: number;
let bucket: ReturnType<SimulatedBucket['binding']>;

beforeEach(() => {
	time = NOW;
	bucket = new SimulatedBucket().binding(
		async (call) => call(),
		() => time,
	);
});

const named = (day: number) => `full_backup_2026-10-${String(day).padStart(2, '0')}T00:00:00.000Z`;
const put = (...keys: string[]) => Promise.all(keys.map((key) => bucket.put(key, '--')));
const backups = (days: number, like: Like = {}) => storeDays(days, { bucket, ...like }, NOW);
const files = () => objectsOf(bucket);
/** Everything stays, for any age. */
const all = () => retention({ last: 99 }, { maxAgeMs: 1000 * DAY });
const prune = (changes: Partial<Engine> = {}, given = all()) =>
	pruneNow(engineAt(time, { bucket, ...changes }), given);
const preview = async () => (await previewPrune(engineAt(time, { bucket }), all())).leftovers;

describe('what backups that do not exist have left', () => {
	test('is removed once it is a day old, and is in the audit log before', async () => {
		const [newest = ''] = await backups(3);
		const kept = await files();
		await put(`${newest}.7.sql`);
		await buryBackup({ bucket, sleep: async () => {} }, named(1));
		await put(`${named(1)}.2.sql`);
		await put(`${named(2)}.sql.gz`, `${named(2)}.2.sql.gz`);
		await put(sliceListKey(named(3)), proofKey(named(3), '2026-10-04T00:00:00.000Z'));
		const names = [named(1), named(2), named(3), newest];
		const before = await files();
		time += DAY;
		expect([await preview(), (await prune()).leftovers]).toEqual([[], []]);
		time++;
		expect([await preview(), await files()]).toEqual([names, before]);
		const broken = { ...all(), record: () => Promise.reject(new Error('full')) };
		await expect(prune({}, broken)).rejects.toThrow('full');
		expect(await files()).toEqual(before);
		const log = all();
		expect((await prune({}, log)).leftovers).toEqual(names);
		expect(log.log).toEqual(names.map((name) => `remove_leftovers ${name}`));
		// Nobody can complete it any more.
		expect(await files()).toEqual([...kept, manifestKey(named(2))].sort());
		expect((await prune()).leftovers).toEqual([]);
		time += DAY + 1;
		expect([(await prune()).leftovers, await files()]).toEqual([[named(2)], kept]);
	});

	test('stays while a backup of its name may go on', async () => {
		await backups(3);
		await put(`${named(1)}.sql`);
		time += 2 * DAY;
		const lock = await acquireLock(engineAt(time, { bucket }), 'backup', named(1));
		await lock.handOver(time + HOUR, 'state');
		expect(await preview()).toEqual([]);
		await expect(prune()).rejects.toMatchObject({ code: 'backup_running' });
		time += HOUR;
		expect([await preview(), (await prune()).leftovers]).toEqual([[named(1)], [named(1)]]);
	});

	test('goes a share at a time, where backups may have lost their manifests', async () => {
		await backups(8);
		for (let day = 1; day < 7; day++) await put(`${named(day)}.sql`);
		await put(sliceListKey(named(9)));
		time += 2 * DAY;
		const slowly = retention({ last: 99 }, { maxPercent: 25, maxAgeMs: 9 * DAY });
		expect((await prune({}, slowly)).leftovers).toEqual([named(1), named(2), named(9)]);
		expect((await prune({}, slowly)).leftovers).toEqual([named(3), named(4)]);
	});

	test('goes as far as the calls of one Worker go', async () => {
		await backups(20);
		for (let day = 1; day < 20; day++) await put(`${named(day)}.sql`);
		time += 2 * DAY;
		const used = { calls: 0 };
		const counted = countedBucket(bucket, used);
		const log = { ...all(), record: async () => void used.calls++ };
		const gone: string[] = [];
		for (let run = 0; run < 4; run++) {
			used.calls = 0;
			const budget = { ...BUDGETS.free, calls: 12 };
			const { leftovers } = await prune({ bucket: counted, budget }, log);
			expect([run, leftovers.length > 0]).toEqual([run, true]);
			expect(used.calls).toBeLessThanOrEqual(12 + 10);
			gone.push(...leftovers);
		}
		expect(gone).toEqual(Array.from(gone, (_, day) => named(day + 1)));
	});
});

describe('what is in the bucket', () => {
	test('stays, if it may be of a backup, or somebody’s', async () => {
		await backups(3);
		const lost = await store(NOW - 9 * DAY, { volumes: 2, bucket });
		const forged = await store(NOW - 10 * DAY, { signer: otherKey, bucket });
		await put(`${forged}.7.sql`);
		await bucket.delete(manifestKey(lost));
		await put('full_backup_.sql', 'index.html', 'uploads/full_backup_1.sql', `${lost}.sql.bak`);
		const keys = async () => (await bucket.list({})).objects.map(({ key }) => key);
		const before = await keys();
		time += 2 * DAY;
		expect((await prune()).leftovers).toEqual([]);
		expect(await keys()).toEqual(before);
	});

	test.for([
		['the newest backup is too old', 60 * HOUR, {}],
		['the clock is before the newest backup', -13 * HOUR, {}],
		['the app has no backup', DAY, { signer: otherKey }],
	] as const)('stays, while %s', async ([, after, like]) => {
		time = NOW - 9 * DAY;
		await put(`${named(1)}.sql`);
		time = NOW;
		await backups(3, like);
		time += after;
		expect((await prune({}, retention({ last: 99 }))).leftovers).toEqual([]);
		expect(await filesOf(named(1), bucket)).toHaveLength(1);
	});

	test('stays, if a lock rule keeps it: what is older than that goes', async () => {
		await backups(9);
		for (let day = 1; day < 8; day++) await put(`${named(day)}.sql`);
		const differential = named(9).replace('full', 'incremental');
		await put(`${differential}.sql`);
		const locked = [4, 5, 6, 7].map(named);
		time += 2 * DAY;
		let deletions = 0;
		const rules = locked.reduce((rest, name) => lockedBucket(rest, `${name}.sql`), bucket);
		const counting = new Proxy(rules, {
			get(target, name) {
				if (name === 'delete') deletions++;
				return Reflect.get(target, name);
			},
		});
		const { leftovers } = await prune({ bucket: counting });
		expect(leftovers).toEqual([...[1, 2, 3].map(named), differential]);
		for (const name of locked) expect(await filesOf(name, bucket)).toHaveLength(2);
		expect(deletions).toBeLessThan(8);
	});
});

test.for([{ afterwards: false }, { afterwards: true }])(
	'a failing write loses nothing, and the next run finishes: %j',
	async (when) => {
		vi.spyOn(console, 'error').mockReturnValue();
		const [newest] = await backups(3);
		const kept = await files();
		for (let n = 1; ; n++) {
			await put(`${named(1)}.sql`, `${named(2)}.sql`, sliceListKey(named(3)), `${newest}.9.sql`);
			time += 2 * DAY;
			const { bucket: broken, failures } = failingBucket(bucket, n, { ...when, forGood: true });
			const failed = await prune({ bucket: broken }).catch((error: unknown) => error);
			if (failures.failed === 0) break;
			expect(failed).toMatchObject(failed instanceof Error ? { code: 'storage_error' } : {});
			expect(await files()).toEqual(expect.arrayContaining(kept));
			time += HOUR; // the lock of a run that could not give it back expires
			await prune();
			time += 2 * DAY;
			await prune();
			expect(await files()).toEqual(kept);
		}
		vi.restoreAllMocks();
	},
);
