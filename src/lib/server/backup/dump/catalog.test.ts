import { env } from 'cloudflare:workers';
import { beforeEach, expect, test } from 'vitest';
import { reset } from '../../../../../tests/reset.ts';
import { run } from '../../../../../tests/backups.ts';
import { d1 } from '../database.ts';
import { readCatalog } from './catalog.ts';

beforeEach(reset);

/** The catalog, and how many queries it took. */
async function read() {
	let queries = 0;
	const catalog = await readCatalog(async (statements) => {
		queries += statements.length;
		return (await d1(env.DB).batch(statements)).results;
	});
	return { catalog, queries };
}

const numbers = Array.from({ length: 20 }, (_, index) => index);

test('takes as many queries for 60 tables with DESC and COLLATE as for none', async () => {
	const { queries: ofNone } = await read();
	await run(
		env.DB,
		...numbers.flatMap((n) => [
			`CREATE TABLE d${n} (id INTEGER PRIMARY KEY DESC, x UNIQUE)`,
			`CREATE TABLE c${n} (id INTEGER PRIMARY KEY, x TEXT COLLATE NOCASE UNIQUE)`,
			`CREATE TABLE k${n} (a TEXT COLLATE NOCASE, b INT, PRIMARY KEY (b DESC, a)) WITHOUT ROWID`,
		]),
	);
	const { catalog, queries } = await read();
	expect(queries).toBe(ofNone);
	const keyOf = (name: string) => catalog.tables.find((table) => table.name === name);
	for (const n of numbers) {
		expect(keyOf(`d${n}`)).toMatchObject({ rowid: 'rowid', key: { kind: 'rowid', name: 'rowid' } });
		expect(keyOf(`c${n}`)).toMatchObject({ rowid: null, key: { kind: 'rowid', name: 'rowid' } });
		expect(keyOf(`k${n}`)?.key).toEqual({
			kind: 'columns',
			parts: [
				{ column: 'b', index: 1, descending: true, collation: 'BINARY' },
				{ column: 'a', index: 0, descending: false, collation: 'NOCASE' },
			],
		});
	}
});

test('tells a schema from one that reads the same', async () => {
	// As SQLite writes the names down behind ALTER TABLE.
	await run(env.DB, `CREATE TABLE "a" (x)`, `CREATE TABLE "b" (x)`);
	const { catalog: before } = await read();
	expect((await read()).catalog.identity).toBe(before.identity);
	await run(
		env.DB,
		`ALTER TABLE a RENAME TO c`,
		`ALTER TABLE b RENAME TO a`,
		`ALTER TABLE c RENAME TO b`,
	);
	const { catalog: swapped } = await read();
	expect(swapped.sha256).toBe(before.sha256);
	expect(swapped.identity).not.toBe(before.identity);
});
