import { env } from 'cloudflare:workers';
import { beforeEach, expect, test } from 'vitest';
import { reset } from '../../../../../tests/reset.ts';
import { run } from '../../../../../tests/backups.ts';
import { d1 } from '../database.ts';
import { RESTORE_MARKER } from '../sql.ts';
import { readCatalog } from './catalog.ts';

beforeEach(reset);

/** The catalog, and the number of queries it took. */
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

test('distinguishes schemas that read the same', async () => {
	// Written as SQLite writes names after ALTER TABLE.
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

test('lists objects in the order of the schema, without those of D1, of SQLite and of virtual tables', async () => {
	await run(
		env.DB,
		`CREATE TABLE parent (id INTEGER PRIMARY KEY AUTOINCREMENT, u UNIQUE)`,
		`CREATE TABLE child (p REFERENCES parent, twice AS (p || p), q REFERENCES parent (u))`,
		`CREATE INDEX i ON child (p)`,
		`CREATE VIRTUAL TABLE words USING fts5(x)`,
		`CREATE VIEW w AS SELECT 1`,
		`CREATE TRIGGER g AFTER INSERT ON child BEGIN SELECT 1; END`,
	);
	const { catalog } = await read();
	expect(catalog.objects.map(({ type, name }) => `${type} ${name}`)).toEqual([
		'table parent',
		'table child',
		'index i',
		'table words',
		'view w',
		'trigger g',
	]);
	expect(catalog.tables.map(({ name }) => name)).toEqual([
		'parent',
		'child',
		'words',
		'sqlite_sequence',
	]);
	expect(catalog.tables[1]?.columns).toEqual(['p', 'q']);
	expect(catalog.references.get('child')).toHaveLength(2);
	expect(catalog).toMatchObject({ warnings: [], unfinished: null });
});

test('walks a table by position when ordinary columns take all names of the rowid', async () => {
	await run(env.DB, `CREATE TABLE hidden (rowid, _rowid_, oid)`, `CREATE TABLE taken (rowid)`);
	const { catalog } = await read();
	expect(catalog.tables).toMatchObject([
		{ name: 'hidden', rowid: null, key: { kind: 'position' } },
		{ name: 'taken', rowid: '_rowid_', key: { kind: 'rowid', name: '_rowid_' } },
	]);
});

test('distinguishes full-text tables with their own content from those without', async () => {
	await run(
		env.DB,
		`CREATE TABLE texts (x)`,
		`CREATE VIRTUAL TABLE outer USING fts5(x, content='texts')`,
		`CREATE VIRTUAL TABLE own USING fts5(x)`,
		`CREATE VIRTUAL TABLE bare USING fts5(x, content='')`,
	);
	const { catalog } = await read();
	expect(catalog.fullText.map(({ name, options }) => [name, options.content])).toEqual([
		['outer', 'external'],
		['own', 'own'],
		['bare', 'contentless'],
	]);
	expect(catalog.tables.map(({ name }) => name)).toEqual(['texts', 'own']);
});

test('reports an unfinished restore', async () => {
	await run(env.DB, `CREATE TABLE ${RESTORE_MARKER} (x)`);
	expect((await read()).catalog).toMatchObject({ unfinished: RESTORE_MARKER, objects: [] });
});
