import { env } from 'cloudflare:workers';
import type { R2Bucket } from '@cloudflare/workers-types';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { countedBindings } from '../../../../../tests/counted-bindings.ts';
import { LONG } from '../../../../../tests/counts.ts';
import { reset } from '../../../../../tests/reset.ts';
import {
	DAY,
	engineAt,
	filesOf,
	HOUR,
	NOW,
	retention,
	store,
	storeDays,
} from '../../../../../tests/retained.ts';
import { type Gate, SimulatedBucket } from '../../../../../tests/simulation/bucket.ts';
import type { AfterBackup, Engine } from '../engine.ts';
import { startOf } from '../format/names.ts';
import { startBackup } from '../index.ts';
import { KEY_WRITE_INTERVAL_MS, MAX_SUBREQUESTS } from '../limits.ts';
import { BUDGETS } from '../make/budget.ts';
import { GRACE_MS, readMarks } from './marks.ts';
import type { Retention } from './outlook.ts';
import { prune } from './prune.ts';
import { pruneAfter, pruneNow } from './run.ts';

const DUE = NOW + GRACE_MS;

/** A bucket with one backup every six hours, of which the newest five were drilled. */
async function years(count: number): Promise<SimulatedBucket> {
	const simulated = new SimulatedBucket();
	const bucket = simulated.binding(
		async (call) => call(),
		() => NOW,
	);
	for (let index = 0; index < count; index++) {
		const like = { bucket, drilled: index < 5 ? true : null };
		await store(NOW - HOUR - index * 6 * HOUR, like);
	}
	return simulated;
}

/** Counts calls of R2, those of the audit log too. */
function counting(simulated: SimulatedBucket, policy: Retention, now: number) {
	let calls = 0;
	const bucket = simulated.binding(
		async (call) => (calls++, call()),
		() => now,
	);
	const log: Retention = { ...policy, record: async () => void calls++ };
	return { engine: engineAt(now, { bucket, budget: BUDGETS.free }), log, calls: () => calls };
}

describe('in a bucket with 5,000 backups', () => {
	const COUNT = 5_000;
	/** Calls of R2, of receivers of alerts and of the audit log around a run over HTTP. */
	const OUTSIDE = 12;
	const MOST = MAX_SUBREQUESTS.free - OUTSIDE;
	const policy = retention({ last: 50 }, { maxPercent: 25, maxAgeMs: 30 * DAY });

	test('a run stays within one call of the free plan, and gets on', async () => {
		const simulated = await years(COUNT);
		const first = counting(simulated, policy, NOW);
		const marked = await pruneNow(first.engine, first.log);
		const second = counting(simulated, policy, DUE);
		const removed = await pruneNow(second.engine, second.log);
		expect([first.calls() <= MOST, second.calls() <= MOST]).toEqual([true, true]);
		expect(marked.marked.length + marked.later).toBe(COUNT - 50);
		expect([marked.marked.length, removed.removed.length]).toEqual([1_250, 500]);
		expect(simulated.objects.size).toBe(2 * (COUNT - 500) + 5 + 1);
	});

	test('a run after a backup that has no room for the list does nothing', async () => {
		const simulated = await years(2_100);
		const { engine, log, calls } = counting(simulated, policy, NOW);
		const before = simulated.copy();
		const room = () => 10 - calls();
		expect(await prune(engine, log, { confirm: async () => {}, room })).toBeNull();
		expect(calls()).toBeLessThanOrEqual(10);
		expect([...simulated.objects.keys()]).toEqual([...before.objects.keys()]);
	});
});

describe('a run after a backup on the free plan', () => {
	const policy = retention({ last: 5 }, { maxAgeMs: 30 * DAY });
	/** A conditional put that a Worker tries once in each bucket, before its calls count. */
	const PROBE_CALLS = 1;
	const CALL_MS = 100;

	/** Full backups, and differentials of the oldest, of which all but five are marked. */
	async function marked(count: number, based: number): Promise<SimulatedBucket> {
		const simulated = await years(count);
		const { engine } = counting(simulated, policy, NOW);
		const [oldest = ''] = [...simulated.objects.keys()].sort();
		const like = { parent: oldest.replace('.manifest.json', ''), bucket: engine.bucket };
		const start = startOf(like.parent);
		for (let hour = 1; hour <= based; hour++) await store(start + hour, like);
		await pruneNow(engine, policy);
		return simulated;
	}

	/** The calls of the database, of R2 and of the audit log until the end of the run, and that end. */
	async function backUp(simulated: SimulatedBucket) {
		const binding = simulated.binding(
			async (call) => call(),
			() => DUE,
		);
		const counted = countedBindings({ DB: env.DB, MY_BUCKET: binding });
		const { DB: database, MY_BUCKET: bucket } = counted.bindings;
		const now = () => DUE + counted.calls() * CALL_MS;
		const engine = engineAt(DUE, { database, bucket, budget: BUDGETS.free, now });
		const record = async () => void (await bucket.put('journal/entry', ''));
		const ends: unknown[] = [];
		const run = pruneAfter(
			engine,
			() => ({ ...policy, record }),
			(end) => ends.push(end),
		);
		let calls = 0;
		const afterwards: AfterBackup = async (held) => {
			await run(held);
			calls = counted.calls() - PROBE_CALLS;
		};
		await startBackup(engine, () => {}, { afterwards });
		return { calls, ends };
	}

	test.for([
		{ count: 8, based: 0, isLocked: false, removed: 3, locked: 0 },
		{ count: 200, based: 9, isLocked: false, removed: 204, locked: 0 },
		{ count: 200, based: 50, isLocked: true, removed: 0, locked: 244 },
		{ count: 1_200, based: 0, isLocked: false, removed: 0, locked: 0 },
		{ count: 2_600, based: 0, isLocked: false, removed: 0, locked: 0 },
	])('makes no more calls than are left to it: %o', async (given) => {
		const { objects } = await marked(given.count, given.based);
		const { calls, ends } = await backUp(new SimulatedBucket({ locked: given.isLocked, objects }));
		expect(calls).toBeLessThanOrEqual(BUDGETS.free.calls);
		expect(ends).toMatchObject([
			{ pruned: { removed: { length: given.removed }, locked: { length: given.locked } } },
		]);
	});
});

test('a run with little room marks and leaves removals to the next', async () => {
	const simulated = await years(20);
	const policy = retention({ last: 5 }, { maxAgeMs: 30 * DAY });
	const first = counting(simulated, policy, NOW);
	await pruneNow(first.engine, first.log);
	for (const [room, removed] of [
		[12, 0],
		[30, 15],
	] as const) {
		const copy = simulated.copy();
		const { engine, log, calls } = counting(copy, policy, DUE);
		const held = { confirm: async () => {}, room: () => room - calls() };
		expect((await prune(engine, log, held))?.removed).toHaveLength(removed);
		expect(calls()).toBeLessThanOrEqual(room);
	}
});

test('no key is written twice within a second', async () => {
	let now = NOW;
	const written = new Map<string, number>();
	const refused: string[] = [];
	const gate: Gate = async (call, key) => {
		now += 30;
		if (key !== undefined) {
			if (now - (written.get(key) ?? 0) < KEY_WRITE_INTERVAL_MS - 100) refused.push(key);
			written.set(key, now);
		}
		return call();
	};
	const simulated = await years(12);
	const bucket = simulated.binding(gate, () => now);
	const sleep = async (milliseconds: number) => void (now += milliseconds);
	const engine: Engine = { ...engineAt(now, { bucket }), now: () => now, sleep };
	const policy = retention({ last: 6 }, { maxPercent: 50, maxAgeMs: 30 * DAY });
	await pruneNow(engine, policy);
	now = DUE;
	await store(DUE - HOUR, { bucket });
	const { removed, marked } = await pruneNow(engine, policy);
	expect([removed.length, marked.length, refused]).toEqual([6, 1, []]);
});

describe('at the same time', () => {
	beforeEach(reset);

	/** The bucket, of which every call takes a while. */
	function slow(milliseconds: number): R2Bucket {
		return new Proxy(env.MY_BUCKET, {
			get(target, property) {
				const value: unknown = Reflect.get(target, property);
				if (typeof value !== 'function') return value;
				return async (...parameters: unknown[]) => {
					await new Promise((resolve) => setTimeout(resolve, milliseconds));
					return value.apply(target, parameters) as unknown;
				};
			},
		});
	}

	test('ten runs and backups: one works, and the others are told', async () => {
		await storeDays(8);
		const policy = retention({ last: 4 });
		const bucket = slow(LONG ? 30 : 5);
		const works = Array.from({ length: 10 }, (_, index) => {
			const engine = engineAt(NOW + index, { bucket });
			return index % 2 === 0 ? pruneNow(engine, policy) : startBackup(engine);
		});
		const ends = await Promise.allSettled(works);
		const codes = ends.map((end) =>
			end.status === 'fulfilled' ? 'done' : (end.reason as { code: string }).code,
		);
		expect(codes.filter((code) => code === 'done')).toHaveLength(1);
		expect(new Set(codes)).toEqual(new Set(['done', 'backup_running']));
	});

	test('a backup prunes before it gives its lock back, and a run waits for that', async () => {
		const names = await storeDays(6);
		const policy = retention({ last: 5 });
		const engine = engineAt(NOW);
		const ends: unknown[] = [];
		const during: Promise<unknown>[] = [];
		const after = pruneAfter(
			engine,
			() => ({
				...policy,
				async record(operation, backups) {
					during.push(pruneNow(engine, policy).catch((error: unknown) => error));
					await during[0];
					await policy.record(operation, backups);
				},
			}),
			(end) => ends.push(end),
		);
		await startBackup(engine, () => {}, { afterwards: after });
		expect(ends).toMatchObject([{ pruned: { marked: [names[5], names[4]] } }]);
		expect(await Promise.all(during)).toMatchObject([{ code: 'backup_running' }]);
		expect(Object.keys(await readMarks(engine))).toEqual([names[5], names[4]]);
		expect(await filesOf(names[5] ?? '')).toHaveLength(3);
	});

	test('a run that fails does not fail the backup', async () => {
		const log = vi.spyOn(console, 'error').mockReturnValue();
		await storeDays(6);
		await env.MY_BUCKET.put('keep/pins.json', 'forged');
		const engine = engineAt(NOW);
		const ends: unknown[] = [];
		const afterwards = pruneAfter(
			engine,
			() => retention({ last: 5 }),
			(end) => ends.push(end),
		);
		expect(await startBackup(engine, () => {}, { afterwards })).toHaveProperty('manifest');
		expect(ends).toMatchObject([{ failure: { code: 'pins_forged' } }]);
		log.mockRestore();
	});
});
