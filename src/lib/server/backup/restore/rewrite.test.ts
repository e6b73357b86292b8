import { expect, test } from 'vitest';
import { forTarget } from './rewrite.ts';
import type { Survey } from './survey.ts';

const OTHER_TOOL = { lifeboat: false } as Survey;

test.each([
	[String.raw`SELECT unistr('a\000ab')`, "SELECT 'a\nb'"],
	[String.raw`SELECT unistr('it''s \u2713')`, "SELECT 'it''s ✓'"],
	[String.raw`SELECT unistr('it\0027s')`, "SELECT 'it''s'"],
	[String.raw`SELECT 'unistr(''\0041'')', "unistr('x')"`, null],
	['SELECT 1', null],
])('%j becomes %j', (sql, expected) => {
	expect(forTarget(sql, OTHER_TOOL)).toBe(expected ?? sql);
});

test('the long literals in a statement too long for D1 become parameters', () => {
	const text = `it''s ${'x'.repeat(100_000)}`;
	expect(forTarget(`INSERT INTO t VALUES ('${text}',X'00FF','short')`, OTHER_TOOL)).toEqual({
		sql: `INSERT INTO t VALUES (?1,X'00FF','short')`,
		parameters: [text.replace("''", "'")],
	});
});

test('statements written by Lifeboat stay as they are', () => {
	const sql = String.raw`SELECT unistr('\0041')`;
	expect(forTarget(sql, { lifeboat: true } as Survey)).toBe(sql);
});
