import { describe, expect, test } from 'vitest';
import {
	parseFullText,
	parseVirtualTable,
	shadowTables,
	takenForShadows,
} from './virtual-table.ts';

const table = (rest: string) => `CREATE VIRTUAL TABLE t ${rest}`;

describe('the module', () => {
	test.for([
		['CREATE VIRTUAL TABLE a USING fts5(x)', 'fts5'],
		['create/**/virtual -- x\n table if not exists main.[a b] using "RTree" (id, x, y)', 'rtree'],
		[
			'CREATE VIRTUAL TABLE "USING fts5(x)" /* USING fts5 */ USING rtree_i32(id, x, y)',
			'rtree_i32',
		],
		['CREATE VIRTUAL TABLE v USING fts5vocab', 'fts5vocab'],
		['CREATE TABLE a (x) -- VIRTUAL TABLE a USING fts5(x)', undefined],
		['CREATE VIEW a AS SELECT 1', undefined],
	] as const)('of %s', ([sql, module]) => expect(parseVirtualTable(sql)?.module).toBe(module));

	test('has arguments, split at commas outside of parentheses, quotes and comments', () => {
		const sql = table(`USING fts5(a, "b,c" /* , */, tokenize = 'x, y', d(1, 2)) -- , e`);
		const found = parseVirtualTable(sql)?.arguments.map((tokens) =>
			tokens.map(({ text }) => text).join(' '),
		);
		expect(found).toEqual(['a', '"b,c"', `tokenize = 'x, y'`, 'd ( 1 , 2 )']);
	});
});

describe('the contents of an FTS5 table', () => {
	test.for([
		['a, b', 'own', ''],
		[`a, content`, 'own', ''],
		[`content UNINDEXED, a`, 'own', ''],
		[`a, 'content=posts'`, 'own', ''],
		[`a, -- content='posts'\n b`, 'own', ''],
		[`a, content=''`, 'contentless', ''],
		[`a, content=`, 'contentless', ''],
		[`a, CONTENT = "it""s"`, 'external', 'it"s'],
		['a, content=[b c]', 'external', 'b c'],
		['a, content = posts /* here */', 'external', 'posts'],
		[`a, c='posts'`, 'external', 'posts'],
		[`a, content_rowid=id, content='posts'`, 'external', 'posts'],
	] as const)('of (%s) are %s', ([options, content, source]) => {
		expect(parseFullText(table(`USING fts5(${options})`))).toMatchObject({ content, source });
	});

	test.for([
		[`a, content=p`, { sourceRowid: 'rowid', hasSizes: true, hasLocales: false }],
		[`a, content=p, content_rowid='my id'`, { sourceRowid: 'my id' }],
		[`a, content=p, content_r=id`, { sourceRowid: 'id' }],
		[`a, columnsize=0`, { hasSizes: false }],
		[`a, columnsize=1`, { hasSizes: true }],
		[`a, locale='1'`, { hasLocales: true }],
		[`a, content='', contentless_unindexed=1`, { keepsUnindexed: false }],
		[`a, b "unindexed", content='', contentless_unindexed=1`, { keepsUnindexed: true }],
		[`a, b UNINDEXED, content=''`, { keepsUnindexed: false }],
		[`a, b UNINDEXED, contentless_unindexed=1`, { keepsUnindexed: false }],
	] as const)('with the options (%s)', ([options, expected]) => {
		expect(parseFullText(table(`USING fts5(${options})`))).toMatchObject(expected);
	});

	test('are asked of FTS5 tables only', () => {
		expect(parseFullText(table('USING rtree(id, content, b)'))).toBeNull();
		expect(parseFullText('CREATE TABLE t (content)')).toBeNull();
	});
});

describe('shadow tables', () => {
	test.for([
		['fts5(a)', ['t_data', 't_idx', 't_config', 't_docsize', 't_content']],
		[`fts5(a, content='')`, ['t_data', 't_idx', 't_config', 't_docsize']],
		['fts5(a, content=p, columnsize=0)', ['t_data', 't_idx', 't_config']],
		['rtree(id, a, b)', ['t_node', 't_parent', 't_rowid']],
		['fts5vocab(t, row)', []],
		['unknown(a)', null],
	] as const)('of %s', ([definition, names]) => {
		expect(shadowTables('T', table(`USING ${definition}`))).toEqual(names);
	});

	test('are also others that have such names', () => {
		const names = takenForShadows('T', table(`USING fts5(a, content='', columnsize=0)`));
		expect(names).toEqual(['t_config', 't_content', 't_data', 't_docsize', 't_idx']);
		expect(takenForShadows('T', table('USING fts5vocab(a, row)'))).toEqual([]);
	});
});
