import { env } from 'cloudflare:workers';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { SECRET } from '../../../../tests/calls.ts';
import { reset } from '../../../../tests/reset.ts';
import { drillOf, engineAt, filesOf, objectsOf, store } from '../../../../tests/retained.ts';
import { visitTo } from '../../../../tests/visits.ts';
import { mount } from '../../mount.ts';
import { manifestKey, startOf } from '../backup/format/names.ts';
import type { Proof } from '../backup/format/proof.ts';
import { changeMarks, GRACE_MS } from '../backup/keep/marks.ts';
import { pin } from '../backup/keep/pins.ts';
import { backupKeys } from '../backup/settings.ts';
import { storeProof } from '../backup/storage/bucket.ts';
import type { Environment } from '../environment.ts';
import { isHealthy, readLook } from '../operations/health.ts';
import { operationsOf } from '../operations/index.ts';
import { prove } from './acts.ts';
import { backupPage } from './detail.ts';
import { retentionPage, statusPage } from './status.ts';

// A bucket with more backups than the first page lists: one every six hours, all but every 20th a differential.

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const COUNT = 330;
const NOW = Date.now();
const KEY = 'keep/older.json';
const [signer = null] = backupKeys({ TOTP_SECRET: SECRET });
const SETTINGS = {
	...{ TOTP_SECRET: SECRET, BACKUP_MAX_AGE_HOURS: '240', BACKUP_KEEP_LAST: '5' },
	...{ BACKUP_KEEP_DAILY: '3', BACKUP_KEEP_MONTHLY: '12' },
};

const engine = engineAt(NOW, { keys: signer ? [signer] : [], signer });
/** Names of the backups, newest first. */
const names: string[] = [];
/** What tests change, to be put back. */
const changed = new Map<string, () => Promise<unknown>>();

beforeAll(async () => {
	await reset();
	let parent = '';
	for (let index = COUNT - 1; index >= 0; index--) {
		const isFull = index % 20 === 19 || index === COUNT - 1;
		// Those of the last ten days are not proven, and an older one is damaged.
		const drilled = index < 41 || index % 3 > 0 ? null : index !== 222;
		const like = { signer, drilled, ...(!isFull && { parent }) };
		const name = await store(NOW - HOUR - index * 6 * HOUR, like);
		if (isFull) parent = name;
		names.unshift(name);
	}
});

beforeEach(() => env.MY_BUCKET.delete(KEY));

afterEach(async () => {
	for (const undo of changed.values()) await undo();
	changed.clear();
});

/** The bucket, and whether it was listed from its beginning. */
function watched() {
	let isWhole = false;
	const bucket = new Proxy(env.MY_BUCKET, {
		get(target, name: keyof R2Bucket) {
			if (name !== 'list') return target[name].bind(target);
			return (options: R2ListOptions) => {
				const { prefix, startAfter, cursor } = options;
				if (prefix === 'full_backup_' && startAfter === undefined && !cursor) isWhole = true;
				return target.list(options);
			};
		},
	});
	return { bucket, isWhole: () => isWhole };
}

/** The first page, after everything that goes on behind it, and whether all backups were listed for it. */
async function load(now = NOW, given: Environment = {}) {
	const { bucket, isWhole } = watched();
	const bindings = { MY_BUCKET: bucket, ...SETTINGS, ...given };
	const { visit, settled } = visitTo('/backups', bindings, now);
	const page = await statusPage(visit);
	await settled();
	return { page, isWhole: isWhole() };
}

/** A visit to a page in a Worker that has just been started. */
const fresh = (path: string) =>
	visitTo(path, { ...SETTINGS, MY_BUCKET: watched().bucket }, NOW).visit;

const remembered = async () => (await env.MY_BUCKET.get(KEY))?.text();

/** Takes an object away until the test is over. */
async function remove(key: string): Promise<void> {
	const object = await env.MY_BUCKET.get(key);
	if (object === null) throw new Error(`There is no ${key}.`);
	const { customMetadata = {} } = object;
	const bytes = await object.bytes();
	changed.set(key, () => env.MY_BUCKET.put(key, bytes, { customMetadata }));
	await env.MY_BUCKET.delete(key);
}

async function removeProofs(): Promise<void> {
	const proofs = (await objectsOf()).filter((key) => key.includes('.proof-'));
	for (const key of proofs) await remove(key);
}

/** Adds a proof until the test is over. */
async function addProof(
	name: string,
	{ at = NOW, proven = true, scope = 'contents' }: Partial<Proof> & { at?: number },
): Promise<void> {
	const before = await filesOf(name);
	await storeProof(engine, { ...drillOf(name, at, proven), scope });
	const added = (await filesOf(name)).filter((key) => !before.includes(key));
	changed.set(name, () => env.MY_BUCKET.delete(added));
}

async function setMarks(...marks: [name: string, age: number][]): Promise<void> {
	const all = marks.map(([name, age]) => [name, { at: NOW - age, by: 'rule' as const }]);
	await changeMarks(engine, () => Object.fromEntries(all));
	changed.set('marks', () => env.MY_BUCKET.delete('keep/marks.json'));
}

/** The backup of this place in the list, the newest first. */
const nth = (index: number) => names.at(index) ?? '';

/** Expects the page of a part of the list to be that of the whole list; returns it. */
async function expectSame(given: Environment = {}) {
	await env.MY_BUCKET.delete(KEY);
	const whole = await load(NOW, given);
	const part = await load(NOW, given);
	expect(part.page).toEqual(whole.page);
	expect([whole.isWhole, part.isWhole]).toEqual([true, false]);
	return part.page;
}

describe('the first page is the same from a part of the list', () => {
	test('as from all of it', async () => {
		await pin(engine, nth(-1), 'why');
		changed.set('pin', () => env.MY_BUCKET.delete('keep/pins.json'));
		await setMarks([nth(-2), DAY], [nth(-3), GRACE_MS + DAY], [nth(50), DAY]);
		const { shown, verdict } = await expectSame();
		expect(shown?.holdings).toMatchObject({ backups: COUNT, pinned: 1, marked: 3 });
		expect(shown?.holdings.oldest).toBe(new Date(startOf(nth(-1))).toISOString());
		expect(shown?.days.map(({ backups }) => backups)).toContain(4);
		expect(verdict).toMatchObject({ state: 'unproven', tone: 'bad' });
	});

	test('without a policy', async () => {
		const none = { BACKUP_KEEP_LAST: '', BACKUP_KEEP_DAILY: '', BACKUP_KEEP_MONTHLY: '' };
		await expectSame(none);
	});

	test('where only an older backup is proven, and its parent', async () => {
		await removeProofs();
		const given = { BACKUP_MAX_AGE_HOURS: '1600' };
		await addProof(nth(250), { at: NOW - HOUR });
		expect((await expectSame(given)).verdict).toMatchObject({ tone: 'notice' });
		await addProof(nth(230), { at: NOW - HOUR, scope: 'stored' });
		const { verdict, shown } = await expectSame(given);
		expect(verdict?.sentence).toContain('is 58 days old');
		expect(shown?.backups.at(-2)?.reasons).toEqual([]);
		await addProof(nth(259), { proven: false }); // the parent of the first one
		await addProof(nth(239), { proven: false }); // of the second one
		expect((await expectSame(given)).verdict).toMatchObject({ tone: 'bad' });
	});

	test('where parents before the window are missing', async () => {
		for (const index of [219, 239]) await remove(manifestKey(nth(index)));
		await expectSame();
	});
});

describe('what is remembered', () => {
	beforeEach(async () => {
		await load();
	});

	test('counts for a day', async () => {
		const before = await remembered();
		expect((await load(NOW + DAY - 1)).isWhole).toBe(false);
		expect(await remembered()).toBe(before);
		expect((await load(NOW + DAY)).isWhole).toBe(true);
		expect(await remembered()).not.toBe(before);
	});

	test.for([
		['forged', (text: string) => text.replace(/"backups":\d+/, '"backups":5000')],
		['unreadable', () => 'no JSON'],
		['of another kind', (text: string) => text.replace('"named"', '"name"')],
	] as const)('does not count when it is %s, and is replaced', async ([, change]) => {
		const written = await remembered();
		await env.MY_BUCKET.put(KEY, change(written ?? ''));
		const { page, isWhole } = await load();
		expect([page.shown?.holdings.backups, isWhole]).toEqual([COUNT, true]);
		expect((await load()).isWhole).toBe(false);
	});

	test('does not count any more once retention has removed one', async () => {
		await setMarks([nth(-1), GRACE_MS - HOUR], [nth(-2), DAY], [nth(10), GRACE_MS]);
		await env.MY_BUCKET.delete(KEY);
		await load();
		await setMarks([nth(-1), GRACE_MS - HOUR], [nth(-3), HOUR]);
		expect((await load()).isWhole).toBe(false); // nobody removes what is marked since a day
		await remove(manifestKey(nth(-1)));
		await setMarks([nth(-2), DAY]);
		const { page, isWhole } = await load();
		expect([page.shown?.holdings.backups, isWhole]).toEqual([COUNT - 1, true]);
	});

	test('is forgotten when an older backup is proven, and not for a newer one', async () => {
		for (const [name, isOlder] of [
			[nth(100), false],
			[nth(300), true],
		] as const) {
			const before = await filesOf(name);
			await expect(prove(fresh('/backups'), name, 'verify')).rejects.toMatchObject({
				code: 'backup_differs',
			});
			expect((await load()).isWhole).toBe(isOlder);
			const added = (await filesOf(name)).filter((key) => !before.includes(key));
			await env.MY_BUCKET.delete(added);
		}
	});

	test('is not written where all are in the window', async () => {
		const older = names.slice(205).map((name) => manifestKey(name));
		for (const key of older) await remove(key);
		await env.MY_BUCKET.delete(KEY);
		await load();
		expect(await remembered()).toBeUndefined();
	});
});

test('the verdict agrees with the health', async () => {
	for (const hours of ['200', '240', '400']) {
		const given = { BACKUP_MAX_AGE_HOURS: hours };
		await load(NOW, given);
		const { page } = await load(NOW, given);
		const operations = operationsOf(
			{ ...env, ...SETTINGS, ...given },
			new URL('https://app.example'),
		);
		const { look } = await readLook(operations);
		const healthy = isHealthy(look, operations.settings.maxAgeMs, NOW);
		expect(page.verdict?.tone === 'bad').toBe(!healthy);
		expect(healthy).toBe(hours === '400');
	}
});

test('other pages know of every backup', async () => {
	await load();
	await load();
	const oldest = nth(-1);
	expect((await retentionPage(fresh('/backups/retention'))).hidden).toBe(COUNT - 100);
	const { backup } = await backupPage(fresh(`/backups/${oldest}`), oldest);
	expect(backup.dependants).toContain(nth(-2));
	const { shown } = await statusPage(fresh(`/backups?after=${nth(-6)}`));
	expect(shown?.backups.map(({ name }) => name)).toEqual(names.slice(-5));
});

test('the overview of several databases remembers, too', async () => {
	const { environment } = mount({ databases: { main: 'DB', other: 'COPY' } });
	const { DB, COPY } = env;
	const overviewOnce = async () => {
		const { bucket, isWhole } = watched();
		const given = environment({ ...{ DB, COPY, MY_BUCKET: bucket }, ...SETTINGS });
		const { visit, settled } = visitTo('/backups', given, NOW);
		const { databases } = await statusPage(visit);
		await settled();
		return { databases, isWhole: isWhole() };
	};
	const whole = await overviewOnce();
	const part = await overviewOnce();
	expect(part.databases).toEqual(whole.databases);
	expect(part.databases.find(({ name }) => name === 'main')?.backups).toBe(COUNT);
	expect([whole.isWhole, part.isWhole]).toEqual([true, false]);
});
