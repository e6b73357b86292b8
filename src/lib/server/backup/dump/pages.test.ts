import { env } from 'cloudflare:workers';
import { describe, expect, test } from 'vitest';
import { run } from '../../../../../tests/backups.ts';
import { cases } from '../../../../../tests/databases/cases.ts';
import { apply } from '../../../../../tests/databases/sql.ts';
import { sleep } from '../../../../../tests/memory.ts';
import { reset } from '../../../../../tests/reset.ts';
import { d1 } from '../database.ts';
import { readCatalog } from './catalog.ts';
import { maxRowBytes } from './inserts.ts';
import { type LongRow, readLongRow } from './long-rows.ts';
import { Reader } from './reader.ts';
import type { Table } from './schema.ts';
import { type Place, readRows, START } from './walk.ts';

// Small databases are read in the exact form, so these tests read the others: page by page.

/** A long row by its values: short ones as literals, of long ones the bytes in hexadecimal. */
async function longText(reader: Reader, row: LongRow): Promise<string> {
	const values = await readLongRow(reader, row);
	const texts = values.map(async (value) =>
		typeof value === 'string' ? value : (await Array.fromAsync(value.pieces())).join(''),
	);
	return `long: ${(await Promise.all(texts)).join(',')}`;
}

/** The rows of a table, read in pages of so many rows. */
async function rowsOf(table: Table, limit: number, form: Place['form']): Promise<string[]> {
	const reader = new Reader(d1(env.DB), sleep);
	const found: string[] = [];
	let from: Place | null = { ...START, limit, form };
	while (from !== null) {
		const options = { maxRowBytes: maxRowBytes(table), from, mustPause: () => true };
		const rows = readRows(reader, table, options);
		let part = await rows.next();
		for (; !part.done; part = await rows.next()) {
			if (part.value.kind === 'long') found.push(await longText(reader, part.value));
			else found.push(...textsOf(part.value));
		}
		from = part.value && { ...part.value, limit };
	}
	return found;
}

function textsOf({ sql, ends }: { sql: Uint8Array; ends: number[] }): string[] {
	const starts = [0, ...ends.map((end) => end + 2)];
	const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
	return ends.map((end, index) => decoder.decode(sql.subarray(starts[index], end)));
}

async function tables(): Promise<Table[]> {
	return (await readCatalog(new Reader(d1(env.DB), sleep).batch)).tables;
}

test.for(cases)('page by page: $name', async ({ statements }) => {
	await reset();
	await apply(env.DB, statements);
	for (const table of (await tables()).slice(0, 20)) {
		const expected = await rowsOf(table, 20_000, 'exact');
		const limit = expected.length > 100 ? 97 : 2;
		expect(await rowsOf(table, limit, 'quick'), table.name).toEqual(expected);
		expect(await rowsOf(table, limit, 'counted'), table.name).toEqual(expected);
	}
});

/** Values as SQL, and how the file has them in any column. */
const VALUES: [title: string, value: string, literal: string][] = [
	['text', `'it''s'`, `'it''s'`],
	['NULL', 'NULL', 'NULL'],
	['NUL in text', `'a' || char(0) || 'b'`, `CAST(X'610062' AS TEXT)`],
	['text that is NUL', 'char(0)', `CAST(X'00' AS TEXT)`],
	['a blob', `X'6162'`, `X'6162'`],
	['a blob with NUL', `X'610062'`, `X'610062'`],
	['an empty blob', `X''`, `X''`],
	['CR', `'a' || char(13) || 'b'''`, `CAST(X'610D6227' AS TEXT)`],
	[
		'BEGIN TRANSACTION',
		`'BEGIN TRANSACTION;'`,
		`CAST(X'424547494E205452414E53414354494F4E3B' AS TEXT)`,
	],
	['invalid UTF-8', `CAST(X'41FF' AS TEXT)`, `CAST(X'41FF' AS TEXT)`],
	['invalid UTF-8 of three bytes', `CAST(X'EDA080' AS TEXT)`, `CAST(X'EDA080' AS TEXT)`],
	['invalid UTF-8 as long as U+FFFD', `CAST(X'F09F98' AS TEXT)`, `CAST(X'F09F98' AS TEXT)`],
	['U+FFFD', 'char(65533)', `CAST(X'EFBFBD' AS TEXT)`],
];

/** The same for reals, which a column with TEXT affinity does not hold. */
const REALS: typeof VALUES = [
	['infinity', '9e999', '9e999'],
	['infinity below zero', '-9e999', '-9e999'],
	['zero', '0.0', '0.0'],
	['zero below zero', '0.0 * -1', '-0.0'],
	['a short real', '19.99', '19.99'],
	['a short real of 15 digits', '-99999999999.9999', '-99999999999.9999'],
	['a real of five decimals', '0.00001', '11805916207174114/4611686018427387904.0/256.0'],
	['a whole real of 15 digits', '1e14', '100000000000000.0'],
	['a whole real of 16 digits', '1e15', '16000000000000000/16.0'],
	['a third', '1 / 3.0', '12009599006321322/36028797018963968.0'],
];

describe.for(['quick', 'counted', 'exact'] as const)('in the %s form', (form) => {
	test.for([...VALUES, ...REALS])('%s', async ([, value, literal]) => {
		await reset();
		await run(
			env.DB,
			'CREATE TABLE t (id INTEGER PRIMARY KEY, x, s TEXT)',
			`INSERT INTO t VALUES (1, 'before', 'before'), (2, ${value}, NULL), (3, NULL, ${value}), (4, 'after', 'after')`,
		);
		const [t] = await tables();
		if (!t) throw new Error('There is no table.');
		for (const limit of [1, 3, 10]) {
			const [before, any, text, after] = await rowsOf(t, limit, form);
			expect([before, any, after]).toEqual([
				`(1,'before','before')`,
				`(2,${literal},NULL)`,
				`(4,'after','after')`,
			]);
			if (VALUES.some(([, one]) => one === value)) expect(text).toBe(`(3,NULL,${literal})`);
		}
	});

	test.for([
		['text', `replace(hex(zeroblob(50000)), '0', 'a')`],
		[
			'text that is longer in hexadecimal',
			`char(65533) || replace(hex(zeroblob(25000)), '0', 'a')`,
		],
		['text with CR that is longer so', `char(13) || replace(hex(zeroblob(25000)), '0', 'a')`],
		['invalid UTF-8', `CAST(X'FF' || zeroblob(50000) AS TEXT)`],
	])('a row too long for a statement because of %s', async ([, value]) => {
		await reset();
		await run(
			env.DB,
			'CREATE TABLE t (id INTEGER PRIMARY KEY, x TEXT)',
			'CREATE TABLE w (k TEXT PRIMARY KEY, x TEXT) WITHOUT ROWID',
			`INSERT INTO t VALUES (-5, 'before'), (2, ${value}), (3, ${value}), (9, 'after')`,
			`INSERT INTO w VALUES ('a', 'before'), ('b', ${value}), ('c', ${value}), ('d', 'after')`,
		);
		for (const table of await tables()) {
			for (const limit of [1, 2, 10]) {
				const rows = await rowsOf(table, limit, form);
				expect(rows).toHaveLength(4);
				expect(rows.map((row) => row.startsWith('long: '))).toEqual([false, true, true, false]);
				expect(rows[1]?.split(',')[0]).not.toBe(rows[2]?.split(',')[0]);
			}
		}
	});
});
