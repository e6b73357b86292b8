import { env } from 'cloudflare:workers';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { reset } from '../../../../../tests/reset.ts';
import { contents, run } from '../../../../../tests/backups.ts';
import { ageMarker, dying } from '../../../../../tests/killed.ts';
import { backupOf, lifeboatFile, sleep } from '../../../../../tests/memory.ts';
import { counting } from '../../../../../tests/databases/values.ts';
import { d1, type SqlDatabase } from '../database.ts';
import { RESTORE_MARKER } from '../sql.ts';
import { sqlOf } from '../prove/files.ts';
import { rehearse, restoreInto } from './apply.ts';
import { MARKER_DEFINITION, readContents } from './contents.ts';
import type { SqlSource } from './source.ts';
import { type Survey, survey } from './survey.ts';
import { restoreTables } from './tables.ts';

const copy = d1(env.COPY);
const ID = '0b4f3f0e-3c62-4a42-9d5c-6f0a4c3f4d11';

const ROWS = 1000;
/** SQL that is restored in several transactions. */
const LARGE: [string][] = [
	['CREATE TABLE tree (id INTEGER PRIMARY KEY, up REFERENCES tree (id), x TEXT)'],
	['CREATE TABLE leaf (x TEXT)'],
	[
		`${counting(ROWS)} INSERT INTO tree SELECT i, ${ROWS + 1} - i, hex(randomblob(1200)) FROM counting`,
	],
	['INSERT INTO leaf SELECT x FROM tree'],
];

let source: SqlSource;
let found: Survey;
beforeAll(async () => {
	source = sqlOf(await backupOf(LARGE));
	found = await survey(source);
});
beforeEach(reset);

async function restore(database: SqlDatabase = copy, { replace = false } = {}) {
	return restoreInto(database, source, { survey: found, sleep, replace });
}

async function restoreLeaf(database: SqlDatabase = copy) {
	return restoreTables(database, source, ['leaf'], { survey: found, sleep });
}

/** Starts a restore, and returns once it has been killed at its `n`-th call. */
async function killAt(n: number, work: (database: SqlDatabase) => Promise<unknown>) {
	const killed = dying(copy, n, { afterwards: true });
	const outcome = await Promise.race([killed.died, work(killed.database)]);
	expect(outcome).toBeNull();
}

const leaves = async () => (await env.COPY.prepare('SELECT count(*) FROM leaf').raw())[0];

describe('existing contents stay', () => {
	test.for([
		[
			'a trigger of the marker’s name',
			[],
			`CREATE TRIGGER ${RESTORE_MARKER} AFTER INSERT ON mine BEGIN SELECT 1; END`,
		],
		['a view of that name', [], `CREATE VIEW ${RESTORE_MARKER} AS SELECT 1`],
		[
			'a table of that name with another definition',
			[],
			`CREATE TABLE ${RESTORE_MARKER} (step INTEGER PRIMARY KEY)`,
		],
		['a marker without a row', [], MARKER_DEFINITION],
		[
			'a marker with other rows',
			[`INSERT INTO ${RESTORE_MARKER} VALUES ('me', 1, 2, '')`],
			MARKER_DEFINITION,
		],
		[
			'a marker with two rows',
			[`INSERT INTO ${RESTORE_MARKER} VALUES ('${ID}', 1, 2, ''), ('${ID}', 1, 2, '')`],
			MARKER_DEFINITION,
		],
		[
			'a marker that explains only part of the contents',
			[`INSERT INTO ${RESTORE_MARKER} VALUES ('${ID}', 1, 2, 'table other')`],
			MARKER_DEFINITION,
		],
		[
			'a marker that explains all contents',
			[`INSERT INTO ${RESTORE_MARKER} VALUES ('${ID}', 1, 2, 'table mine')`],
			MARKER_DEFINITION,
		],
	] as const)('with %s', async ([, rows, definition]) => {
		await run(
			env.COPY,
			'CREATE TABLE mine (a)',
			'INSERT INTO mine VALUES (7)',
			definition,
			...rows,
		);
		const before = await contents(env.COPY);
		await expect(restore()).rejects.toMatchObject({ code: 'target_not_empty', status: 409 });
		expect(await contents(env.COPY)).toBe(before);
	});

	test('if something uses the marker’s name, even if everything else may be replaced', async () => {
		await run(env.COPY, 'CREATE TABLE leaf (x)', `CREATE VIEW LifeBoat_Restore AS SELECT 1`);
		const before = await contents(env.COPY);
		for (const work of [() => restore(copy, { replace: true }), () => restoreLeaf()]) {
			await expect(work()).rejects.toMatchObject({ code: 'name_taken', status: 409 });
			expect(await contents(env.COPY)).toBe(before);
		}
	});
});

describe('a restore that was killed', () => {
	test.for([3, 5, 6])(
		'at call %i counts as running for a minute, then its leftovers count as ordinary data',
		async (n) => {
			await killAt(n, restore);
			for (const work of [restore, () => restore(copy, { replace: true }), restoreLeaf]) {
				await expect(work()).rejects.toMatchObject({ code: 'restore_running', retryable: true });
			}
			await ageMarker(env.COPY, 30);
			await expect(restore()).rejects.toMatchObject({ code: 'restore_running' });
			expect((await readContents(copy, sleep)).marker?.explains).toBe(true);
			await ageMarker(env.COPY, 31);
			await expect(restore()).rejects.toMatchObject({ code: 'target_not_empty' });
			await restore(copy, { replace: true });
			expect(await leaves()).toEqual([ROWS]);
			expect((await readContents(copy, sleep)).marker).toBeNull();
		},
	);

	test('before it created anything leaves an empty database', async () => {
		await killAt(2, restore);
		await ageMarker(env.COPY);
		await restore();
		expect(await leaves()).toEqual([ROWS]);
	});

	test('of some tables is cleaned up by the next one, which removes no other table', async () => {
		await restore();
		const mine = [
			'lifeboat_tables',
			'lifeboat_stage_1',
			'lifeboat_scratch',
			`lifeboat_stage_${ID}_1`,
		];
		await run(env.COPY, ...mine.map((name) => `CREATE TABLE "${name}" (a)`));
		const names = async () => (await readContents(copy, sleep)).objects.map(({ name }) => name);
		const before = await names();
		await run(env.COPY, 'DELETE FROM leaf WHERE rowid > 5');
		await killAt(5, restoreLeaf);
		expect((await names()).length).toBe(before.length + 1);
		await expect(restoreLeaf()).rejects.toMatchObject({ code: 'restore_running' });
		await ageMarker(env.COPY);
		await restoreLeaf();
		expect(await names()).toEqual(before);
		expect(await leaves()).toEqual([ROWS]);
	});
});

describe('two restores at once', () => {
	test('the second is refused, and the first finishes undisturbed', async () => {
		const refused: unknown[] = [];
		const busy: SqlDatabase = {
			async batch(statements) {
				const result = await copy.batch(statements);
				const claimed = (await readContents(copy, sleep)).marker !== null;
				const others = [restore, () => restore(copy, { replace: true }), restoreLeaf];
				for (const other of claimed ? others : []) {
					refused.push(
						await other().then(
							() => 'restored',
							({ code }: { code: string }) => code,
						),
					);
				}
				return result;
			},
		};
		await restore(busy);
		expect(refused.length).toBeGreaterThan(9);
		expect(new Set(refused)).toEqual(new Set(['restore_running']));
		expect(await leaves()).toEqual([ROWS]);
	});

	test.for([false, true])('one wins if they start together, replace: %s', async (replace) => {
		if (replace) await run(env.COPY, 'CREATE TABLE mine (a)');
		const attempts = Array.from({ length: 4 }, () => restore(copy, { replace }));
		const outcomes = await Promise.allSettled(attempts);
		const failed = outcomes.filter((outcome) => outcome.status === 'rejected');
		expect(failed.map(({ reason }) => reason.code)).toEqual(Array(3).fill('restore_running'));
		expect(await leaves()).toEqual([ROWS]);
		expect((await readContents(copy, sleep)).objects).toHaveLength(2);
	});

	test('one wins if they take over from a dead one', async () => {
		await killAt(5, restore);
		await ageMarker(env.COPY);
		const attempts = Array.from({ length: 4 }, () => restore(copy, { replace: true }));
		const outcomes = await Promise.allSettled(attempts);
		expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
		expect(await leaves()).toEqual([ROWS]);
	});

	test('one that was silent for too long and was taken over writes nothing more', async () => {
		let calls = 0;
		const slow: SqlDatabase = {
			async batch(statements) {
				if (++calls === 5) {
					await ageMarker(env.COPY);
					await restoreInto(copy, lifeboatFile('CREATE TABLE other (a);'), {
						...{
							survey: await survey(lifeboatFile('CREATE TABLE other (a);')),
							sleep,
							replace: true,
						},
					});
				}
				return copy.batch(statements);
			},
		};
		await expect(restore(slow)).rejects.toMatchObject({ code: 'restore_disturbed', status: 409 });
		expect((await readContents(copy, sleep)).objects).toMatchObject([
			{ type: 'table', name: 'other' },
		]);
	});
});

test('objects that others create during a restore stay, and the restore fails', async () => {
	for (const n of [4, 5, 6]) {
		let calls = 0;
		const shared: SqlDatabase = {
			async batch(statements) {
				if (++calls === n)
					await run(env.COPY, 'CREATE TABLE mine (a)', 'INSERT INTO mine VALUES (7)');
				return copy.batch(statements);
			},
		};
		const options = { survey: found, sleep };
		const work = n === 4 ? restore(shared) : rehearse(shared, source, options, async () => {});
		await expect(work).rejects.toMatchObject({ code: 'restore_disturbed', status: 409 });
		expect(await env.COPY.prepare('SELECT a FROM mine').raw()).toEqual([[7]]);
		const { objects, marker } = await readContents(copy, sleep);
		expect(marker?.explains).toBe(false);
		await run(
			env.COPY,
			'PRAGMA defer_foreign_keys=ON',
			...objects.filter(({ type }) => type === 'table').map(({ name }) => `DROP TABLE "${name}"`),
			`DROP TABLE ${RESTORE_MARKER}`,
		);
	}
});

describe('a file that uses the marker’s name', () => {
	test.for([
		'CREATE TABLE t (a); CREATE TABLE lifeboat_restore (a);',
		'CREATE TABLE t (a); CREATE TRIGGER "LIFEBOAT_RESTORE" AFTER INSERT ON t BEGIN SELECT 1; END;',
		'CREATE TABLE t (a); CREATE INDEX lifeboat_restore ON t (a);',
		'CREATE TABLE t (a); INSERT INTO lifeboat_restore (a) VALUES (1);',
		'CREATE TABLE t (a); DROP TABLE IF EXISTS lifeboat_restore;',
	])('is refused: %s', async (text) => {
		await run(env.COPY, 'CREATE TABLE t (a)');
		const before = await contents(env.COPY);
		const options = { survey: await survey(lifeboatFile(text)), sleep, replace: true };
		const refusal = {
			code: 'restore_refused',
			status: 422,
			message: expect.stringContaining('Statement 2'),
		};
		await expect(restoreInto(copy, lifeboatFile(text), options)).rejects.toMatchObject(refusal);
		await expect(restoreTables(copy, lifeboatFile(text), ['t'], options)).rejects.toMatchObject(
			refusal,
		);
		expect(await contents(env.COPY)).toBe(before);
	});
});
