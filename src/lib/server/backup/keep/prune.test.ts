import { env } from 'cloudflare:workers';
import { beforeEach, describe, expect, test } from 'vitest';
import { otherKey } from '../../../../../tests/encodings.ts';
import { reset } from '../../../../../tests/reset.ts';
import {
	DAY,
	engineAt,
	filesOf,
	HOUR,
	NOW,
	objectsOf,
	pruneAt,
	retention,
	store,
	storeDays,
} from '../../../../../tests/retained.ts';
import { manifestKey } from '../format/names.ts';
import { GRACE_MS, readMarks } from './marks.ts';
import { pin } from './pins.ts';
import { previewPrune } from './prune.ts';
import { pruneNow } from './run.ts';

beforeEach(reset);

/** Runs at two times, the second after the grace of what the first has marked. */
async function twice(last: number, changes = {}) {
	const first = await pruneAt(NOW, last, changes);
	await store(NOW + GRACE_MS - HOUR); // so that the newest is young enough
	return [first, await pruneAt(NOW + GRACE_MS, last + 1, changes)] as const;
}

const actions = ({ backups }: { backups: { name: string; action: string }[] }) =>
	backups.map(({ action }) => action);

describe('old backups', () => {
	test('are marked first, and removed seven days later', async () => {
		const names = await storeDays(6);
		const old = names.slice(4);
		const first = await pruneAt(NOW, 4);
		expect(first).toMatchObject({ blocked: null, marked: old.toReversed(), removed: [], later: 0 });
		expect(actions(first)).toEqual(['keep', 'keep', 'keep', 'keep', 'mark', 'mark']);
		expect(first.backups.at(-1)).toMatchObject({
			...{ keep: false, result: 'done', reasons: [{ code: 'no_rule' }] },
			mark: { by: 'rule', removableAt: new Date(NOW + GRACE_MS).toISOString() },
		});
		await store(NOW + GRACE_MS - HOUR);
		const early = await pruneAt(NOW + GRACE_MS - 1, 5);
		expect(early).toMatchObject({ marked: [], removed: [] });
		expect(actions(early).slice(5)).toEqual(['wait', 'wait']);
		const late = await pruneAt(NOW + GRACE_MS, 5);
		expect(late).toMatchObject({ removed: old.toReversed(), locked: [], later: 0 });
		for (const name of old) expect(await filesOf(name)).toEqual([]);
		for (const name of names.slice(0, 4)) expect(await filesOf(name)).toHaveLength(3);
		expect(await readMarks(engineAt(NOW))).toEqual({});
	});

	test('lose all their objects: volumes, slices, proofs and manifest', async () => {
		await storeDays(4);
		const parent = await store(NOW - 20 * DAY, { volumes: 3 });
		const child = await store(NOW - 19 * DAY, { parent });
		expect(await filesOf(parent)).toHaveLength(5);
		expect(await filesOf(child)).toHaveLength(4);
		const [, second] = await twice(4);
		expect(second.removed.toSorted()).toEqual([parent, child]);
		expect([...(await filesOf(parent)), ...(await filesOf(child))]).toEqual([]);
	});

	test('are recorded before they are marked and removed; if that fails, nothing happens', async () => {
		const names = await storeDays(5);
		const broken = {
			...retention({ last: 4 }),
			record: () => Promise.reject(new Error('the log is full')),
		};
		const before = await objectsOf();
		await expect(pruneNow(engineAt(NOW), broken)).rejects.toThrow('the log is full');
		expect(await objectsOf()).toEqual(before);
		const log = retention({ last: 4 });
		await pruneNow(engineAt(NOW), log);
		expect(log.log).toEqual([`mark ${names[4]}`]);
		await store(NOW + GRACE_MS - HOUR);
		const marked = await objectsOf();
		await expect(pruneNow(engineAt(NOW + GRACE_MS), broken)).rejects.toThrow('the log is full');
		expect(await objectsOf()).toEqual(marked);
		const late = retention({ last: 5 });
		await pruneNow(engineAt(NOW + GRACE_MS), late);
		expect(late.log).toEqual([`remove ${names[4]}`]);
	});

	test('are only told about by a dry run', async () => {
		const names = await storeDays(6);
		const before = await objectsOf();
		const log = retention({ last: 4 });
		const preview = await previewPrune(engineAt(NOW), log);
		expect(actions(preview).slice(4)).toEqual(['mark', 'mark']);
		expect(preview).toMatchObject({ marked: [], removed: [] });
		expect(preview.backups[5]).not.toHaveProperty('result');
		expect([await objectsOf(), log.log]).toEqual([before, []]);
		expect(names).toHaveLength(6);
	});

	test('stay when a rule keeps them again, and a later mark has its own grace', async () => {
		const names = await storeDays(5);
		await pruneAt(NOW, 4);
		const relaxed = await pruneAt(NOW + DAY, 5);
		expect(relaxed).toMatchObject({ unmarked: [names[4]], marked: [] });
		await store(NOW + GRACE_MS - HOUR);
		expect(await pruneAt(NOW + GRACE_MS, 5)).toMatchObject({ marked: [names[4]], removed: [] });
		expect(await filesOf(names[4] ?? '')).toHaveLength(3);
	});

	test('stay while no policy is set, which withdraws marks', async () => {
		const names = await storeDays(5);
		await pruneAt(NOW, 4);
		const none = await pruneNow(engineAt(NOW + DAY), retention(null));
		expect(none).toMatchObject({ blocked: { code: 'no_policy' }, unmarked: [names[4]] });
		await store(NOW + GRACE_MS - HOUR);
		expect(await pruneAt(NOW + GRACE_MS, 4)).toMatchObject({ removed: [] });
	});

	test('go a share at a time, the oldest first', async () => {
		const names = await storeDays(12);
		const slowly = (now: number) =>
			pruneNow(engineAt(now), retention({ last: 4 }, { maxPercent: 25 }));
		const oldest = names.toReversed();
		expect(await slowly(NOW)).toMatchObject({ marked: oldest.slice(0, 3), later: 5 });
		expect(await slowly(NOW + HOUR)).toMatchObject({ marked: oldest.slice(3, 6), later: 2 });
		expect(await slowly(NOW + 2 * HOUR)).toMatchObject({ marked: oldest.slice(6, 8), later: 0 });
		await store(NOW + GRACE_MS);
		const late = await slowly(NOW + GRACE_MS + DAY);
		expect(late).toMatchObject({ removed: oldest.slice(0, 3), later: 5 });
	});

	test('of the same second go each on its own', async () => {
		await storeDays(4);
		const twins = [await store(NOW - 20 * DAY), await store(NOW - 20 * DAY + 1)];
		const kept = await store(NOW - 20 * DAY + 999);
		const [first, second] = await twice(5);
		expect([first.marked, second.removed]).toEqual([twins, twins]);
		expect(await filesOf(kept)).toHaveLength(3);
	});
});

describe('nothing is removed', () => {
	test.for([
		['the clock is before the newest backup', NOW - 30 * DAY, 'clock_behind'],
		['the clock is a minute before it', NOW - DAY / 2 - 60_000, 'clock_behind'],
		['the newest backup is too old', NOW + 40 * DAY, 'newest_old'],
	] as const)('while %s', async ([, now, code]) => {
		await storeDays(6);
		await pruneAt(NOW - DAY / 2, 4);
		const before = await objectsOf();
		expect(await pruneAt(now, 2)).toMatchObject({ blocked: { code }, marked: [], removed: [] });
		expect(await objectsOf()).toEqual(before);
	});

	test('when the clock goes back: the grace does not end before its time', async () => {
		await storeDays(2, {}, NOW - 60 * DAY);
		await storeDays(4);
		const marked = await pruneAt(NOW, 4);
		expect(marked.marked).toHaveLength(2);
		await store(NOW + GRACE_MS - HOUR);
		for (const now of [NOW + GRACE_MS - 60_000, NOW - HOUR, NOW + GRACE_MS - 1]) {
			expect((await pruneAt(now, 5)).removed).toEqual([]);
		}
	});

	test('by a mark alone: the plan of the day decides', async () => {
		const names = await storeDays(6);
		await pruneAt(NOW, 4);
		const old = await (await env.MY_BUCKET.get('keep/marks.json'))?.text();
		await pruneAt(NOW, 6); // withdraws the marks
		await store(NOW + GRACE_MS - HOUR);
		await env.MY_BUCKET.put('keep/marks.json', old ?? '');
		expect(await pruneAt(NOW + GRACE_MS, 7)).toMatchObject({ removed: [] });
		expect(await filesOf(names[5] ?? '')).toHaveLength(3);
	});

	test.for(['{"at":1,"value":{},"mac":""}', 'not JSON', 'signed by somebody else'])(
		'by pins that are forged: %s',
		async (text) => {
			await storeDays(6);
			await pruneAt(NOW, 4);
			await pin(engineAt(NOW, { signer: otherKey }), 'x', '');
			if (!text.startsWith('signed')) await env.MY_BUCKET.put('keep/pins.json', text);
			await store(NOW + GRACE_MS - HOUR);
			const before = await objectsOf();
			const forged = { code: 'pins_forged', status: 500 };
			await expect(pruneAt(NOW + GRACE_MS, 5)).rejects.toMatchObject(forged);
			expect(await objectsOf()).toEqual(before);
		},
	);

	test('by marks that are forged', async () => {
		const names = await storeDays(6);
		const marks = Object.fromEntries(names.map((name) => [name, { at: 1, by: 'request' }]));
		const text = JSON.stringify({ at: 1, value: marks, mac: '0'.repeat(64) });
		await env.MY_BUCKET.put('keep/marks.json', text);
		expect(await pruneAt(NOW, 4)).toMatchObject({ marked: [names[5], names[4]], removed: [] });
	});
});

describe('backups that are not the app’s own', () => {
	test('are neither counted nor removed', async () => {
		const names = await storeDays(5);
		const forged = [
			await store(NOW - 90 * DAY, { signer: otherKey }),
			await store(NOW - 91 * DAY, { signer: null }),
			await store(NOW - HOUR, { signer: otherKey }),
		];
		const [first, second] = await twice(4);
		expect([first.marked, second.removed]).toEqual([[names[4]], [names[4]]]);
		for (const name of forged) {
			expect(await filesOf(name)).toHaveLength(3);
			const shown = first.backups.find((backup) => backup.name === name);
			expect(shown).toMatchObject({ signed: false, action: 'leave', keep: true });
		}
	});

	test('do not hold what they claim to rest on', async () => {
		const names = await storeDays(5);
		await store(NOW - HOUR, { parent: names[4] ?? '', signer: otherKey });
		const [, second] = await twice(4);
		expect(second.removed).toEqual([names[4]]);
	});

	test('may be its own if they were not checked: they stay, with what they rest on', async () => {
		await storeDays(4);
		const old: string[] = [];
		for (let count = 0; count < 12; count++) {
			const name = await store(NOW - 50 * DAY - count * DAY, { drilled: null });
			const object = await env.MY_BUCKET.get(manifestKey(name));
			const { mac, ...summary } = JSON.parse(object?.customMetadata?.['summary'] ?? '') as {
				mac: string;
			};
			expect(mac).toMatch(/^[0-9a-f]{64}$/);
			await env.MY_BUCKET.put(manifestKey(name), (await object?.text()) ?? '', {
				customMetadata: { summary: JSON.stringify(summary) },
			});
			old.push(name);
		}
		const first = await pruneAt(NOW, 4);
		expect(first.marked.toSorted()).toEqual(old.slice(0, 10).toSorted());
		expect(first.backups.slice(-2)).toMatchObject([
			{ name: old[10], signed: null, action: 'leave' },
			{ name: old[11], signed: null, action: 'leave' },
		]);
	});
});

describe('floors', () => {
	test('keep three backups with proven contents', async () => {
		const [newest, ...unproven] = await storeDays(6, { drilled: null });
		const proven = await storeDays(5, {}, NOW - 30 * DAY);
		await store(NOW - HOUR);
		const { marked } = await pruneAt(NOW, 1);
		expect(marked.toSorted()).toEqual([newest, ...unproven, ...proven.slice(2)].toSorted());
	});

	test('keep what is pinned, as long as it is', async () => {
		const names = await storeDays(6);
		await pin(engineAt(NOW), names[5] ?? '', 'before 2.0');
		const first = await pruneAt(NOW, 4);
		expect(first.marked).toEqual([names[4]]);
		expect(first.backups[5]).toMatchObject({ pin: { note: 'before 2.0' }, action: 'keep' });
	});

	test('do not count on a backup that has lost a file', async () => {
		const names = await storeDays(6);
		for (const name of names.slice(1, 3)) await env.MY_BUCKET.delete(`${name}.sql`);
		const { backups, marked } = await pruneAt(NOW, 1);
		expect(backups.slice(1, 3)).toMatchObject([{ damaged: true }, { damaged: true }]);
		expect(marked).toEqual([names[5], names[2], names[1]]);
	});
});
