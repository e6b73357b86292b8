import { env } from 'cloudflare:workers';
import fc from 'fast-check';
import { beforeEach, expect, test } from 'vitest';
import { clock, createBackup, engine } from '../backups.ts';
import { LONG } from '../counts.ts';
import { histories, type History } from '../databases/changes.ts';
import { inserted, KEYED_TABLES, type KeyedTable, made } from '../databases/keyed-tables.ts';
import { settings } from '../databases/settings.ts';
import { apply } from '../databases/sql.ts';
import { counting } from '../databases/values.ts';
import {
	asDrilled,
	engineFor,
	expectFittingParent,
	expectWhole,
	FULL_DAYS,
	fullOf,
	keep,
	type Kept,
	lossesOf,
	restoredContents,
	type Way,
	ways,
	WRITTEN_TO,
} from '../changing-database.ts';
import { ENCODINGS, type EncodingTitle, key } from '../encodings.ts';
import { reset } from '../reset.ts';
import { LARGE } from '../staged.ts';
import { SMALL } from '../stepped-backups.ts';
import { listBackups } from '../../src/lib/server/backup/index.ts';
import { type Policy, SEED_POLICY } from '../../src/lib/server/backup/keep/policy.ts';
import { pruneNow } from '../../src/lib/server/backup/keep/run.ts';
import { UNLIMITED } from '../../src/lib/server/backup/make/budget.ts';
import type { Engine } from '../../src/lib/server/backup/engine.ts';
import { manifestKey } from '../../src/lib/server/backup/format/names.ts';
import { verifyBackup } from '../../src/lib/server/backup/prove/prove.ts';

beforeEach(reset);

// A differential is, put together, the full backup of the same moment, whatever has changed, and however
// it was made.

const HOUR = 3_600_000;
/**
 * Of which a short run tries an eighth. There is a backup after each change, twice and in many steps, which
 * takes half a second: a short run makes few of them.
 */
const HISTORIES = LONG ? 200 : 16;
const MOST_CHANGES = LONG ? 20 : 5;

/** The way and the time at which a backup is made. */
interface Moment {
	way: Way;
	/** Since the backup before. */
	hours: number;
}

const encodings = fc.constantFrom(...(Object.keys(ENCODINGS) as EncodingTitle[]));

/** Policies under which a history of some weeks has something to remove. */
const policies = fc
	.record({ last: fc.nat(4), daily: fc.nat(3), weekly: fc.nat(2), minDays: fc.constantFrom(0, 3) })
	.map(({ minDays, ...rules }): Policy => {
		const { rules: usual } = SEED_POLICY;
		return { rules: usual && { ...usual, ...rules, monthly: 0 }, minDays, maxPercent: 100 };
	});

/** As many as a history may need. Most apps never change how they store backups: every tenth does here. */
const moments = encodings.chain((usual) => {
	const encoding = fc.oneof(
		{ weight: 9, arbitrary: fc.constant(usual) },
		{ weight: 1, arbitrary: encodings },
	);
	const moment: fc.Arbitrary<Moment> = fc.record({
		way: encoding.chain(ways),
		hours: fc.constantFrom(24, 1, 80, 200),
	});
	return fc.array(moment, { minLength: MOST_CHANGES + 1, maxLength: MOST_CHANGES + 1 });
});

/** Lives through a history, with a backup and retention at the start and after each change. */
async function live(
	{ first, changes }: History,
	when: Moment[],
	policy: Policy | null,
): Promise<Kept[]> {
	const kept: Kept[] = [];
	await apply(env.DB, [...WRITTEN_TO.map((sql) => [sql]), ...first]);
	for (const [at, { way, hours }] of when.slice(0, changes.length + 1).entries()) {
		await apply(env.DB, changes[at - 1]?.statements ?? []);
		clock.now += hours * HOUR;
		const backup = await keep(way);
		await expectWhole(backup);
		await expectFittingParent(backup);
		kept.push(backup);
		if (policy) await prune(engineFor(way), backup, policy);
	}
	return kept;
}

/** Retention with this policy, after a drill elsewhere. */
async function prune(engine: Engine, { manifest }: Kept, policy: Policy): Promise<void> {
	await asDrilled(engine, manifest.name);
	const retention = { policy, maxAgeMs: Number.POSITIVE_INFINITY, record: async () => {} };
	await pruneNow({ ...engine, budget: UNLIMITED }, retention);
}

/** Every backup in the list comes back as it was, and rests on a full one that is there. */
async function expectAll(kept: Kept[]): Promise<void> {
	const { backups } = await listBackups(engine({ keys: [key] }), { limit: 1000 });
	const full = backups.filter(({ kind }) => kind === 'full').map(({ name }) => name);
	for (const [at, { name, kind, parent }] of backups.entries()) {
		if (kind === 'incremental') expect(full).toContain(parent);
		const backup = kept.find(({ manifest }) => manifest.name === name);
		if (!backup) throw new Error(`${name} is listed, but was never made.`);
		expect(await lossesOf(backup, at % 2 === 0 ? 'd1' : 'sqlite3')).toEqual([]);
		const proof = await verifyBackup(engine({ keys: [key] }), manifestKey(name));
		expect(proof).toMatchObject({ proven: true });
	}
}

const random = settings(HISTORIES);

test('after any changes, each backup is the full one of its moment', random.test, async () => {
	await fc.assert(
		fc.asyncProperty(
			histories(MOST_CHANGES),
			moments,
			fc.option(policies),
			async (history, when, policy) => {
				await reset();
				await expectAll(await live(history, when, policy));
			},
		),
		random.check,
	);
});

/** Makes a database of some tables. */
const make = (tables: readonly KeyedTable[]) =>
	apply(
		env.DB,
		[...WRITTEN_TO, ...tables.flatMap(made)].map((sql) => [sql]),
	);

const storedBytes = ({ manifest: { volumes } }: Kept) =>
	volumes.reduce((sum, { bytes }) => sum + bytes, 0);

test.for(Object.keys(ENCODINGS) as EncodingTitle[])(
	'a backup of a database that has not changed stores its title and its end: %s',
	async (encoding) => {
		await make(KEYED_TABLES.slice(0, 3));
		const way = { encoding, staged: false, budget: UNLIMITED };
		const full = await keep(way);
		for (const staged of [false, true]) {
			const next = await keep({ ...way, staged, budget: { ...LARGE, queries: 9 } });
			await expectWhole(next);
			expect(next.manifest).toMatchObject({ kind: 'incremental', parent: full.manifest.name });
			expect(next.manifest.slices).toHaveLength(1);
			expect(storedBytes(next)).toBeLessThan(500);
		}
	},
);

test('the slices of a table that was emptied are left out', async () => {
	await make(KEYED_TABLES.slice(0, 3));
	const way: Way = { encoding: 'gzip', staged: false, budget: UNLIMITED };
	await keep(way);
	await apply(env.DB, [['DELETE FROM by_integer']]);
	const next = await keep(way);
	expect(next.manifest.order?.filter((run) => run.startsWith('parent'))).toHaveLength(2);
	await expectWhole(next);
	expect(await lossesOf(next, 'sqlite3')).toEqual([]);
});

test('a slice of many statements goes on in the next step', async () => {
	await apply(env.DB, [
		['CREATE TABLE texts (id INTEGER PRIMARY KEY, t TEXT)'],
		[`${counting(4000)} INSERT INTO texts SELECT i, printf('%.*c %d', 1000, 'é', i) FROM counting`],
	]);
	const sliceSizes = { least: 300_000, more: 300_000, most: 900_000 };
	const inSteps = { keys: [key], sliceSizes, budget: SMALL, fullDays: FULL_DAYS };
	for (const kind of ['full', 'incremental'] as const) {
		const manifest = await createBackup(engine(inSteps));
		expect(manifest.kind).toBe(kind);
		await expectWhole({ manifest }, sliceSizes);
	}
});

test('slices do not depend on where SQLite has the rows', async () => {
	await make(KEYED_TABLES);
	// So that the rows are in pages that were freed by others.
	const again = KEYED_TABLES.toReversed().flatMap((table) => [
		`DELETE FROM ${table.name}`,
		...inserted(table, 'i * 1000', table.rows),
	]);
	await apply(
		env.DB,
		again.map((sql) => [sql]),
	);
	const { manifest } = await keep({ encoding: 'plain', staged: false, budget: UNLIMITED });
	await restoredContents(manifest.name, 'd1');
	const [original, copy] = [await fullOf(env.DB, manifest), await fullOf(env.COPY, manifest)];
	expect(copy.sql).toEqual(original.sql);
	expect(copy.slices).toEqual(original.slices);
	expect(copy.slices.length).toBeGreaterThan(100);
});
