import { env } from 'cloudflare:workers';
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { createBackup, engine, run } from '../../../../../tests/backups.ts';
import { databases } from '../../../../../tests/databases/generate.ts';
import { settings } from '../../../../../tests/databases/settings.ts';
import { apply, type Sql } from '../../../../../tests/databases/sql.ts';
import { key } from '../../../../../tests/encodings.ts';
import { sleep } from '../../../../../tests/memory.ts';
import { reset } from '../../../../../tests/reset.ts';
import { disturbed } from '../../../../../tests/staged.ts';
import { d1 } from '../database.ts';
import { UNLIMITED } from '../make/budget.ts';
import { Reader } from './reader.ts';
import { type DumpSummary, writeScript } from './script.ts';
import { ATOMIC_BYTES } from './start.ts';

beforeEach(reset);

/** The file, and how it was read. */
async function dumped(atomicBytes: number): Promise<DumpSummary & { sql: string }> {
	const chunks: Uint8Array[] = [];
	const script = writeScript(new Reader(d1(env.DB), sleep), { title: [], atomicBytes });
	let next = await script.next();
	while (!next.done) {
		chunks.push(next.value);
		next = await script.next();
	}
	return { ...next.value, sql: Buffer.concat(chunks).toString() };
}

const numbers = (count: number) =>
	`WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < ${count})`;

/** Tables of several pages each: by rowid, by a key, without either; with long rows and without. */
const PAGES = [
	`CREATE TABLE a (id INTEGER PRIMARY KEY, x TEXT)`,
	`${numbers(2000)} INSERT INTO a SELECT i * 3, printf('%.*c''%d', 500, 'é', i) || char(65533) FROM n`,
	`CREATE TABLE b (k TEXT, n INT, x, PRIMARY KEY (k, n DESC)) WITHOUT ROWID`,
	`${numbers(2000)} INSERT INTO b SELECT 'k' || (i / 7), i, zeroblob(400) FROM n`,
	`CREATE TABLE c (rowid, _rowid_, oid, x)`,
	`${numbers(2000)} INSERT INTO c SELECT i, i, i, hex(zeroblob(300)) FROM n`,
	`${numbers(10)} INSERT INTO c SELECT i, i, i, zeroblob(60000 + i) FROM n`,
	`CREATE TABLE d (x)`,
	`${numbers(30)} INSERT INTO d SELECT zeroblob(30000 + i * 2000) FROM n`,
	`CREATE TABLE empty (x)`,
];

describe('a database of several pages', () => {
	test('is read in one batch, as the same file', async () => {
		await run(env.DB, ...PAGES);
		const whole = await dumped(ATOMIC_BYTES);
		const paged = await dumped(0);
		expect(paged.consistency).toBe('fenced');
		expect(whole.sql).toBe(paged.sql);
		expect(whole.tables).toEqual(paged.tables);
	});

	test('is one state although somebody writes before each call', async () => {
		await run(env.DB, ...PAGES.slice(0, 4));
		const write = () => run(env.DB, `UPDATE a SET x = x || '!' WHERE id = 3`);
		const budget = UNLIMITED;
		const busy = engine({ database: disturbed(env.DB, write), budget, stageMaxBytes: 0 });
		const { snapshot } = await createBackup(busy);
		expect(snapshot).toMatchObject({ consistency: 'atomic', attempts: 1 });
	});

	test('may have other rows than were planned for', async () => {
		await run(env.DB, ...PAGES.slice(0, 4));
		let last = 0;
		const counting = disturbed(env.DB, async (call) => void (last = call));
		await createBackup(engine({ database: counting, budget: UNLIMITED }));
		const others = async (call: number) => {
			if (call !== last) return;
			await run(env.DB, `DELETE FROM a WHERE id < 4500`, 'DELETE FROM b');
			await run(env.DB, `INSERT INTO a VALUES (-7, 'first'), (99999, 'last')`);
		};
		const database = disturbed(env.DB, others);
		const { tables, snapshot } = await createBackup(engine({ database, budget: UNLIMITED }));
		expect(snapshot).toMatchObject({ consistency: 'atomic', attempts: 1 });
		const now = await dumped(0);
		expect(tables).toEqual(now.tables);
	});

	test('may have a hundred tables of many columns', async () => {
		const columns = Array.from({ length: 32 }, (_, at) => `c${at} TEXT`).join();
		const tables = Array.from({ length: 100 }, (_, at) =>
			at % 2 === 0
				? `CREATE TABLE t${at} (${columns})`
				: `CREATE TABLE t${at} (${columns}, PRIMARY KEY (c0, c1, c2)) WITHOUT ROWID`,
		);
		const rows = tables.map(
			(_, at) => `INSERT INTO t${at} (c0, c1, c2, c3) VALUES (1, 2, 3, hex(zeroblob(7000)))`,
		);
		await run(env.DB, ...tables, ...rows);
		const [whole, paged] = [await dumped(ATOMIC_BYTES), await dumped(0)];
		expect([whole.consistency, paged.consistency]).toEqual(['atomic', 'fenced']);
		expect(whole.sql).toBe(paged.sql);
	});

	test('is read in several steps if its pages are more queries than a call may send', async () => {
		await run(env.DB, ...PAGES.slice(0, 4));
		const budget = { ...UNLIMITED, queries: 9 };
		const { snapshot } = await createBackup(engine({ keys: [key], budget }));
		expect(snapshot).toMatchObject({ consistency: 'fenced', attempts: 1 });
	});
});

const LARGE: Sql[] = [
	['CREATE TABLE "large, so that pages are planned" (x)'],
	['INSERT INTO "large, so that pages are planned" VALUES (zeroblob(1100000))'],
];

test('generated databases are the same file in one batch', settings(100).test, async () => {
	await fc.assert(
		fc.asyncProperty(databases(), async ({ statements }) => {
			await reset();
			await apply(env.DB, [...statements, ...LARGE]);
			const [whole, paged] = [await dumped(ATOMIC_BYTES), await dumped(0)];
			expect(whole.sql).toBe(paged.sql);
		}),
		settings(100).check,
	);
});
