import { expect, test } from 'vitest';
import { SliceBounds } from './bounds.ts';
import { encode } from './inserts.ts';
import type { Table } from './schema.ts';

const TABLE: Table = {
	name: 't',
	columns: ['id', 'body'],
	textColumns: new Set(),
	rowid: null,
	key: { kind: 'rowid', name: 'rowid', index: 0 },
	only: null,
};

type Row = { key: string; text: string };

const row = (id: number, text = 'x'.repeat(200)): Row => ({ key: String(id), text });
const rows = (count: number) => Array.from({ length: count }, (_, id) => row(id));

/** The slices of rows, each as the keys of its rows. */
function slices(all: Row[], table = TABLE): string[] {
	const bounds = new SliceBounds(table);
	const found: string[][] = [[]];
	for (const { key, text } of all) {
		const sql = encode(`(${key},'${text}')`);
		found.at(-1)?.push(key);
		if (!bounds.endsAfter(sql, 0, sql.length)) continue;
		bounds.end();
		found.push([]);
	}
	return found.map((keys) => keys.join());
}

/** How many of the slices are not among others. */
function news(changed: string[], before: string[]): number {
	return new Set(changed).difference(new Set(before)).size;
}

const before = slices(rows(20_000));

test('slices have 64 to 192 KiB, 120 on average', () => {
	const bytes = before.slice(0, -1).map((keys) => keys.split(',').length * 210);
	expect(Math.min(...bytes)).toBeGreaterThan(60 * 1024);
	expect(Math.max(...bytes)).toBeLessThan(200 * 1024);
	const mean = bytes.reduce((sum, each) => sum + each) / bytes.length;
	expect(mean).toBeGreaterThan(95 * 1024);
	expect(mean).toBeLessThan(145 * 1024);
});

test.for([
	['a row at the start', [row(-1), ...rows(20_000)]],
	['a row at the end', rows(20_001)],
	['a gap', rows(20_000).toSpliced(10_000, 1)],
	['a row in the middle', rows(20_000).toSpliced(10_000, 0, { key: '9999.5', text: 'x' })],
] as const)('%s changes few slices', ([, changed]) => {
	expect(news(slices([...changed]), before)).toBeGreaterThan(0);
	expect(news(slices([...changed]), before)).toBeLessThan(8);
});

test('text of another length moves no bound but by its bytes', () => {
	const changed = rows(20_000).with(7_000, row(7_000, 'x'.repeat(190)));
	expect(news(slices(changed), before)).toBeLessThan(4);
});

test('the key alone counts, wherever it is among the columns', () => {
	const last = { ...TABLE, key: { kind: 'rowid', name: 'rowid', index: 1 } } as const;
	const sql = (text: string) => encode(`('a,b''',${text})`);
	const endings = (table: Table, text: string) => {
		const bounds = new SliceBounds(table, { rows: 1, bytes: 100_000 });
		return bounds.endsAfter(sql(text), 0, sql(text).length);
	};
	const ids = Array.from({ length: 100_000 }, (_, id) => String(100_000 + id));
	expect(ids.some((id) => endings(last, id))).toBe(true);
	expect(ids.some((id) => endings(TABLE, id))).toBe(false); // all have one key
});
