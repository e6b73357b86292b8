import { env } from 'cloudflare:workers';
import { describe, expect, test } from 'vitest';
import { SHOP } from '../../../../../tests/databases/shop.ts';
import { ENCODINGS, type EncodingTitle } from '../../../../../tests/encodings.ts';
import { backupOf, bytesOf, sleep, sourceOf } from '../../../../../tests/memory.ts';
import { differences } from '../../../../../tests/databases/compare.ts';
import { ageMarker } from '../../../../../tests/killed.ts';
import { snapshot } from '../../../../../tests/databases/snapshot.ts';
import { d1 as d1Source } from '../../../../../tests/databases/sources.ts';
import type { Sql } from '../../../../../tests/databases/sql.ts';
import { d1 } from '../database.ts';
import { drillFile, drillFiles } from './drill.ts';
import { restoreInto } from '../restore/apply.ts';
import { clearDatabase, readContents } from '../restore/contents.ts';
import { survey } from '../restore/survey.ts';
import { restoreTables } from '../restore/tables.ts';
import { verifyFiles } from './verify.ts';
import { sqlOf } from './files.ts';

const copy = d1(env.COPY);

describe('names that every JavaScript object knows', () => {
	const names = ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty'];
	const columns = names.map((name) => `"${name}"`).join(', ');
	const statements = names.flatMap((name, at): Sql[] => [
		[`CREATE TABLE "${name}" (id INTEGER PRIMARY KEY AUTOINCREMENT, ${columns})`],
		[`INSERT INTO "${name}" (${columns}) VALUES (${names.map((_, n) => at * 10 + n).join(', ')})`],
		[`CREATE INDEX "${name} index" ON "${name}" (${columns})`],
	]);
	const tables = names.length + 1; // with sqlite_sequence

	test.for(Object.keys(ENCODINGS) as EncodingTitle[])('are proven, %s', async (encoding) => {
		const files = await backupOf(statements, encoding);
		const all = { proven: true, tables, rows: 2 * names.length, differences: [] };
		expect(await verifyFiles(files)).toMatchObject(all);
		expect(await drillFiles(copy, files, { sleep })).toMatchObject(all);
		expect(await drillFile(copy, sqlOf(files), { sleep })).toMatchObject(all);
	});

	test('are restored, also table by table', async () => {
		const files = await backupOf(statements);
		const original = await snapshot(d1Source(env.DB));
		const found = await survey(sqlOf(files));
		await restoreInto(copy, sqlOf(files), { survey: found, sleep });
		await env.COPY.batch(names.map((name) => env.COPY.prepare(`DELETE FROM "${name}"`)));
		await restoreTables(copy, sqlOf(files), names, { survey: found, sleep });
		expect(differences(original, await snapshot(d1Source(env.COPY)))).toEqual([]);
		await clearDatabase(copy, sleep);
	});

	test('are not overlooked when their rows differ', async () => {
		const text = new TextDecoder().decode(await bytesOf(sqlOf(await backupOf(statements))));
		for (const [at, name] of names.entries()) {
			const changed = sourceOf(text.replace(`(1,${at * 10},`, `(1,${at * 10 + 9},`));
			const { differences: found } = await drillFile(copy, changed, { sleep });
			expect(found).toEqual([`The table "${name}" has other rows.`]);
		}
	});
});

describe('a file alone', () => {
	test('is proven by its last line', async () => {
		const source = sqlOf(await backupOf(SHOP));
		expect(await drillFile(copy, source, { sleep })).toMatchObject({
			proven: true,
			tables: 3,
			rows: 502,
			differences: [],
		});
	});

	test('is proven even if a table is named like a property of every object', async () => {
		const names = ['constructor', 'toString', '__proto__', 'valueOf'];
		const tables = names.map((name): [string] => [`CREATE TABLE "${name}" (a)`]);
		const files = await backupOf([...tables, ['INSERT INTO "constructor" VALUES (1)']]);
		expect(await drillFile(copy, sqlOf(files), { sleep })).toMatchObject({
			...{ proven: true, tables: 4, rows: 1, differences: [] },
		});
	});

	test('differs if its rows do', async () => {
		const text = new TextDecoder().decode(await bytesOf(sqlOf(await backupOf(SHOP))));
		const changed = sourceOf(text.replace('CREATE INDEX by_user', 'CREATE INDEX by_users'));
		const { proven, differences } = await drillFile(copy, changed, { sleep });
		expect(proven).toBe(false);
		expect(differences).toEqual(['The schema has other definitions.']);
	});

	test('from another tool has nothing to compare with', async () => {
		await expect(drillFile(copy, sourceOf('CREATE TABLE t (a);'), { sleep })).rejects.toMatchObject(
			{
				code: 'file_has_no_digests',
				status: 422,
			},
		);
	});
});

test('a drill killed after its restore does not block the next', async () => {
	const files = await backupOf(SHOP);
	let restored = false;
	const killed = {
		async batch(statements: Parameters<typeof copy.batch>[0]) {
			restored ||= statements.some((text) => String(text).includes('quick_check'));
			if (restored) throw new Error('killed');
			return copy.batch(statements);
		},
	};
	await expect(drillFiles(killed, files, { sleep })).rejects.toMatchObject({
		code: 'database_error',
	});
	await expect(drillFiles(copy, files, { sleep })).rejects.toMatchObject({
		code: 'restore_running',
	});
	await ageMarker(env.COPY);
	expect((await readContents(copy, sleep)).marker).toMatchObject({ explains: true });
	expect(await drillFiles(copy, files, { sleep })).toMatchObject({ proven: true });
});
