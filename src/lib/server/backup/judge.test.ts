import { env } from 'cloudflare:workers';
import { reset } from 'cloudflare:test';
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { cases } from '../../../../tests/databases/cases.ts';
import { differences, snapshot, withUnixLineEnds } from '../../../../tests/databases/compare.ts';
import { databases } from '../../../../tests/databases/generate.ts';
import { settings } from '../../../../tests/databases/settings.ts';
import { d1, sqlite3 } from '../../../../tests/databases/sources.ts';
import { apply, script, sql, type Sql } from '../../../../tests/databases/sql.ts';
import { anything } from '../../../../tests/databases/values.ts';

// The tests of backups rely on these: databases that D1 accepts, and a comparison that sees everything.

beforeEach(() => reset());

/** What the comparison says of two databases made by these statements. */
async function compared(before: readonly Sql[], after: readonly Sql[]): Promise<string[]> {
	await reset();
	await apply(env.DB, before);
	await apply(env.COPY, after);
	return differences(await snapshot(d1(env.DB)), await snapshot(d1(env.COPY)));
}

const random = settings(100);

test('every generated database is one that D1 accepts, and is equal to itself', random.test, async () => {
	const property = fc.asyncProperty(databases(), async ({ statements }) => {
		expect(await compared(statements, statements)).toEqual([]);
	});
	await fc.assert(property, random.check);
});

test('any values read the same in D1 and in the sqlite3 shell', random.test, async () => {
	const values = fc.array(anything(), { minLength: 1, maxLength: 50 });
	const property = fc.asyncProperty(values, async (all) => {
		const rows = all.map((value) => sql`INSERT INTO t VALUES (${value})`);
		const statements = [['CREATE TABLE t (v)'], ...rows];
		await reset();
		await apply(env.DB, statements);
		const elsewhere = await snapshot(sqlite3(env.WITNESS, script(statements)));
		expect(differences(await snapshot(d1(env.DB)), elsewhere)).toEqual([]);
	});
	await fc.assert(property, random.check);
});

describe('named cases', () => {
	test.each(cases)('$name', async ({ statements }) => {
		expect(await compared(statements, statements)).toEqual([]);
		const here = await snapshot(d1(env.DB));
		expect(here.get('foreign_key_check')?.rows).toEqual([]);
		expect(here.get('quick_check')?.rows).toEqual([]);
		const elsewhere = await snapshot(sqlite3(env.WITNESS, script(statements)));
		expect(differences(withUnixLineEnds(here), elsewhere)).toEqual([]);
	});
});
