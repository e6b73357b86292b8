import { env } from 'cloudflare:workers';
import { beforeEach, expect, test } from 'vitest';
import { reset } from '../../../../../../tests/reset.ts';
import { DAY, engineAt, NOW, store } from '../../../../../../tests/retained.ts';
import { SimulatedBucket } from '../../../../../../tests/simulation/bucket.ts';
import type { Engine } from '../../engine.ts';
import { BUDGETS } from '../../make/budget.ts';
import type { CheckedPage, Finding } from './findings.ts';
import { checkBucket } from './index.ts';

beforeEach(reset);

const ABANDONED = 'full_backup_2026-10-01T00:00:00.000Z.sql';

test('a check changes nothing, and no failing call makes it say anything else', async () => {
	const full = await store(NOW - 4 * DAY, { volumes: 2 });
	const child = await store(NOW - 3 * DAY, { parent: full });
	const damaged = await store(NOW - 2 * DAY, { volumes: 2 });
	await env.MY_BUCKET.delete(`${damaged}.2.sql`);
	await env.MY_BUCKET.put(ABANDONED, '');
	await env.MY_BUCKET.put(`${child}.9.sql`, '');
	const etags = async () =>
		(await env.MY_BUCKET.list()).objects.map(({ key, etag, uploaded }) => [key, etag, +uploaded]);
	const before = await etags();
	expect((await checkBucket(engineAt(NOW), {})).objects).toHaveLength(3);
	let failed = 0;
	for (let n = 1; ; n++) {
		let calls = 0;
		const bucket = new Proxy(env.MY_BUCKET, {
			get(target, name) {
				const value: unknown = Reflect.get(target, name);
				if (typeof value !== 'function') return value;
				return async (...args: unknown[]) => {
					if (++calls === n) throw new Error('Internal error; please try again. (10001)');
					return Reflect.apply(value, target, args) as unknown;
				};
			},
		});
		const found = await checkBucket(engineAt(NOW, { bucket }), {}).catch((error: unknown) => error);
		if (calls < n) break;
		failed++;
		expect(found).toMatchObject({ code: 'storage_error' });
	}
	expect(failed).toBeGreaterThan(5);
	expect(await etags()).toEqual(before);
});

/** All pages of a check, with the number of valid objects. */
async function checkAll(
	engine: Engine,
): Promise<{ found: Finding[]; valid: number; pages: number }> {
	const found: Finding[] = [];
	let [valid, pages, cursor]: [number, number, string | undefined] = [0, 0, undefined];
	do {
		const page: CheckedPage = await checkBucket(engine, { cursor });
		found.push(...page.objects);
		valid += page.totals.valid.objects;
		pages++;
		cursor = page.cursor ?? undefined;
	} while (cursor !== undefined);
	return { found, valid, pages };
}

test('pages cover every object and folder once, wherever they end', async () => {
	const full = await store(NOW - 40 * DAY);
	for (let day = 39; day > 9; day--) {
		const name = await store(NOW - day * DAY, { parent: full });
		if (day % 2 === 0) await env.MY_BUCKET.put(`${name}/uploaded`, '');
		if (day % 3 === 0) await env.MY_BUCKET.put(`${name}.7.sql`, '');
	}
	await env.MY_BUCKET.put(ABANDONED, '');
	await env.MY_BUCKET.put('zebra', '');
	const whole = await checkAll(engineAt(NOW));
	expect(whole.found).toHaveLength(15 + 10 + 2);
	for (const calls of [6, 7, 8, 9]) {
		const { pages, ...all } = await checkAll(engineAt(NOW, { budget: { ...BUDGETS.free, calls } }));
		expect(pages).toBeGreaterThan(1);
		expect(all).toEqual({ found: whole.found, valid: whole.valid });
	}
	// Time may be over after any item, a folder too.
	let time = NOW;
	for (const milliseconds of [6, 7, 8]) {
		const budget = { ...BUDGETS.paid, milliseconds };
		const { pages, ...all } = await checkAll(engineAt(NOW, { budget, now: () => time++ }));
		expect(pages).toBeGreaterThan(1);
		expect(all).toEqual({ found: whole.found, valid: whole.valid });
	}
});

test('a backup with more objects than one call can list is told, and so is not passed over', async () => {
	for (let number = 1; number < 250; number++) {
		await env.MY_BUCKET.put(ABANDONED.replace('.sql', `.${number}.sql`), '');
	}
	const engine = engineAt(NOW, { budget: { ...BUDGETS.free, calls: 4 } });
	await expect(checkBucket(engine, {})).rejects.toMatchObject({ code: 'too_many_objects' });
});

/** One a day, the first of each week a full one. */
const MANY = 5_000;

test(`${MANY} backups are checked in calls of the free plan`, async () => {
	const simulated = new SimulatedBucket();
	const bucket = simulated.binding(async (call) => call(), Date.now);
	let parent = '';
	for (let day = 0; day < MANY; day++) {
		const startedAt = NOW - (MANY - day) * DAY;
		if (day % 7 === 0) parent = await store(startedAt, { bucket, volumes: 2 });
		else await store(startedAt, { bucket, parent });
	}
	simulated.objects.delete(`${parent}.2.sql`);
	let calls = 0;
	const counting = simulated.binding(async (call) => {
		calls++;
		return call();
	}, Date.now);
	const { found, valid, pages } = await checkAll(
		engineAt(NOW, { bucket: counting, budget: BUDGETS.free }),
	);
	expect(calls).toBeLessThanOrEqual(pages * BUDGETS.free.calls);
	expect(found).toMatchObject([{ key: `${parent}.2.sql`, state: 'missing' }]);
	expect(valid).toBe(simulated.objects.size);
	expect(pages).toBeLessThan(25);
});
