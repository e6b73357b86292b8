import { env } from 'cloudflare:workers';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { run } from '../../../../../../tests/backups.ts';
import { LONG } from '../../../../../../tests/counts.ts';
import { cases } from '../../../../../../tests/databases/cases.ts';
import { databases } from '../../../../../../tests/databases/generate.ts';
import { settings } from '../../../../../../tests/databases/settings.ts';
import { apply, type Sql } from '../../../../../../tests/databases/sql.ts';
import { sleep } from '../../../../../../tests/memory.ts';
import { reset } from '../../../../../../tests/reset.ts';
import { d1, type SqlDatabase } from '../../database.ts';
import { BUDGETS } from '../../make/budget.ts';
import { STAGE } from '../../sql.ts';
import { NO_TERMS } from '../inspect.ts';
import { Reader, SnapshotChanged } from '../reader.ts';
import { type StepEnd, writeScript, writeStep } from '../script.ts';
import type { Checkpoint } from '../checkpoint.ts';
import { dropStage, findStage } from '../../stage-tables.ts';
import { makeStage } from './make.ts';
import { stageOf } from './read.ts';

const room = () => Number.POSITIVE_INFINITY;
const BACKUP = 'full_backup_2026-11-22T21:52:00.000Z';
const OWNER = `${BACKUP} 1`;

/** The file as it is read from the database itself. */
async function direct(): Promise<string> {
	const chunks: Uint8Array[] = [];
	const script = writeScript(new Reader(d1(env.DB), sleep), { title: [] });
	for await (const chunk of script) chunks.push(chunk);
	return Buffer.concat(chunks).toString();
}

/** The file as it is read from a stage with pages of this size, in steps of so many queries. */
async function staged(queries: number, pageBytes = 900_000): Promise<string> {
	const options = { owner: OWNER, sleep, now: Date.now, room, pageBytes, terms: NO_TERMS };
	const stage = await makeStage(d1(env.DB), options);
	const chunks: Uint8Array[] = [];
	let from: Checkpoint | null = null;
	for (;;) {
		const reader = new Reader(stageOf(d1(env.DB), OWNER), sleep);
		const options = { title: [], from, stage: from ? null : stage, terms: null, atomicBytes: 0 };
		const script = writeStep(reader, {
			...options,
			mustPause: () => reader.cost.queries >= queries,
		});
		let step = await script.next();
		while (!step.done) {
			chunks.push(step.value);
			step = await script.next();
		}
		const end: StepEnd = step.value;
		if ('summary' in end) break;
		from = JSON.parse(JSON.stringify(end.checkpoint)) as Checkpoint;
	}
	await dropStage(d1(env.DB), sleep);
	return Buffer.concat(chunks).toString();
}

async function build(statements: readonly Sql[]): Promise<void> {
	await reset();
	await apply(env.DB, statements);
}

test.for(cases)('$name', async ({ statements }) => {
	await build(statements);
	const expected = await direct();
	const isMany = statements.length > 100;
	expect(await staged(isMany ? 250 : 7)).toBe(expected);
	expect(await staged(isMany ? 250 : 50, 30_000)).toBe(expected);
	expect(await direct()).toBe(expected);
});

test('generated databases', settings(200).test, async () => {
	await fc.assert(
		fc.asyncProperty(databases(), async ({ statements }) => {
			await build(statements);
			const expected = await direct();
			const isLarge = expected.length > 20_000; // enough for many steps of any length
			expect(await staged(isLarge && !LONG ? 50 : 5, 300)).toBe(expected);
		}),
		settings(200).check,
	);
});

describe('a stage', () => {
	const remake = async (...statements: string[]) => {
		await reset();
		await run(env.DB, ...statements);
	};
	const make = (owner = OWNER) => makeStage(d1(env.DB), { owner, sleep, now: Date.now, room });
	const tables = async () => {
		const { results } = await env.DB.prepare(
			`SELECT name, sql FROM sqlite_schema WHERE name LIKE 'lifeboat%' ORDER BY name`,
		).all();
		return results;
	};
	const read = (owner: string) =>
		stageOf(d1(env.DB), owner).batch([`SELECT count(*) AS n FROM ${STAGE}`]);

	test('is read by the step alone that made it', async () => {
		await remake('CREATE TABLE t (x)', 'INSERT INTO t VALUES (1)');
		await make();
		expect((await read(OWNER)).results).toHaveLength(1);
		await make('full_backup_2026-11-22T22:00:00.000Z 2');
		await expect(read(OWNER)).rejects.toThrow(SnapshotChanged);
		await dropStage(d1(env.DB), sleep, BACKUP);
		expect(await findStage(d1(env.DB), sleep)).toBe('full_backup_2026-11-22T22:00:00.000Z');
		await dropStage(d1(env.DB), sleep);
		expect(await findStage(d1(env.DB), sleep)).toBeNull();
		expect(await tables()).toEqual([]);
	});

	/** The database, except that something happens before the n-th transaction that makes a stage. */
	const before = (happen: (n: number) => Promise<unknown>): SqlDatabase => {
		let made = 0;
		return {
			async batch(statements) {
				if (String(statements[1]).startsWith('DROP')) await happen(++made);
				return d1(env.DB).batch(statements);
			},
		};
	};
	const options = { owner: OWNER, sleep, now: Date.now, room };

	test('is made again if a page has outgrown its plan', async () => {
		await remake('CREATE TABLE t (id INTEGER PRIMARY KEY, x)');
		let made = 0;
		const growing = before(async (n) => {
			made = n;
			const rows = `WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 50) INSERT INTO t (x) SELECT zeroblob(30000) FROM n`;
			if (n === 1) await run(env.DB, rows);
		});
		const { tables: staged } = await makeStage(growing, options);
		expect(made).toBe(2);
		expect(staged[0]?.pages).toBeGreaterThan(3);
	});

	test('is made with its first plan although rows are added to an index meanwhile', async () => {
		await remake(
			'CREATE TABLE t (id INTEGER PRIMARY KEY, x)',
			`CREATE VIRTUAL TABLE ft USING fts5(x, content=t, content_rowid=id)`,
		);
		let made = 0;
		const growing = before((n) => {
			made = n;
			const row = `INSERT INTO t VALUES (${n}, 'alpha')`;
			return run(env.DB, row, `INSERT INTO ft (rowid, x) VALUES (${n}, 'alpha')`);
		});
		const { inspection } = await makeStage(growing, options);
		expect(made).toBe(1);
		expect(inspection.searches).toEqual([{ name: 'ft', fill: 'rebuild', rows: 1, indexed: 1 }]);
		await dropStage(d1(env.DB), sleep);
	});

	test('is planned three times at most', async () => {
		await remake('CREATE TABLE t (id INTEGER PRIMARY KEY, x)');
		let made = 0;
		const altered = before((n) => {
			made = n;
			return run(env.DB, `ALTER TABLE t ADD COLUMN c${n}`);
		});
		await expect(makeStage(altered, options)).rejects.toThrow(SnapshotChanged);
		const refused = before((n) => {
			made += n > 0 ? 1 : 0;
			return Promise.reject(new Error('D1_ERROR: string or blob too big: SQLITE_TOOBIG'));
		});
		await expect(makeStage(refused, options)).rejects.toThrow(SnapshotChanged);
		expect(made).toBe(6);
		await dropStage(d1(env.DB), sleep);
	});

	test.for([
		'D1 DB storage operation exceeded timeout which caused object to be reset',
		'database or disk is full: SQLITE_FULL',
	])('that D1 refuses is not tried again: %s', async (message) => {
		await remake('CREATE TABLE t (x)');
		let made = 0;
		const refused = before((n) => {
			made = n;
			return Promise.reject(new Error(`D1_ERROR: ${message}`));
		});
		await expect(makeStage(refused, options)).rejects.toMatchObject({ code: 'snapshot_unstable' });
		expect(made).toBe(1);
	});

	test.for([
		'CREATE TABLE lifeboat_stage (x)',
		'CREATE TABLE Lifeboat_Stage (seq INTEGER PRIMARY KEY, tbl INTEGER, page TEXT)',
		'CREATE VIEW lifeboat_stage AS SELECT 1 AS x',
		'CREATE TABLE LIFEBOAT_STAGE_VALUES (x)',
	])('leaves alone what has its name: %s', async (theirs) => {
		await remake('CREATE TABLE t (x)', theirs);
		const previous = await tables();
		await expect(make()).rejects.toMatchObject({ code: 'stage_name_taken', status: 409 });
		await dropStage(d1(env.DB), sleep);
		expect(await findStage(d1(env.DB), sleep)).toBeNull();
		expect(await tables()).toEqual(previous);
		expect(await direct()).toContain(theirs.split(' ')[2]);
	});

	test('of many tables takes few statements, and says so if they are too many', async () => {
		await remake(
			...Array.from({ length: 120 }, (_, n) => [
				`CREATE TABLE t${n} (id INTEGER PRIMARY KEY, x TEXT, y REAL)`,
				`INSERT INTO t${n} VALUES (1, 'one', 1.5)`,
			]).flat(),
		);
		const { cost, rowsWritten } = await make();
		expect(cost.queries).toBeLessThanOrEqual(BUDGETS.free.stage);
		expect(rowsWritten).toBeLessThan(200);
		const small = { ...options, room: () => 10 };
		await expect(makeStage(d1(env.DB), small)).rejects.toMatchObject({
			code: 'snapshot_unstable',
			hint: expect.stringContaining('BACKUP_PLAN'),
		});
		await dropStage(d1(env.DB), sleep);
	});
});
