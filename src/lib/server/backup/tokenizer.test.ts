import { describe, expect, test } from 'vitest';
import { hasKeyword, tokenize, TokenReader } from './tokenizer.ts';

/** The tokens of a text, each with the first letter of its kind. */
const tokens = (sql: string) => [...tokenize(sql)].map(({ kind, text }) => `${kind[0]} ${text}`);

describe('tokens', () => {
	test.for<[name: string, sql: string, expected: string[]]>([
		['words and others', 'a1_$ (b.c)', ['w a1_$', 'o (', 'w b', 'o .', 'w c', 'o )']],
		['letters beyond ASCII', 'ümlaut 表', ['w ümlaut', 'w 表']],
		['all four quotes', `"a" 'b' \`c\` [d]`, ['q "a"', `q 'b'`, 'q `c`', 'q [d]']],
		['quotes inside of quotes', `"a""b'" 'it''s'`, [`q "a""b'"`, `q 'it''s'`]],
		['a bracket, which cannot be doubled', '[a]]', ['q [a]', 'o ]']],
		['comments in quotes', `'-- a' "/* b"`, [`q '-- a'`, `q "/* b"`]],
		['quotes in comments', `-- it's\n/* " */ a`, [`c -- it's`, 'c /* " */', 'w a']],
		['stars in comments', '/***/ /* * / **/ a', ['c /***/', 'c /* * / **/', 'w a']],
		['comments that touch words', 'a/**/b--c', ['w a', 'c /**/', 'w b', 'c --c']],
		['a carriage return in a comment', '-- a\rb\nc', ['c -- a\rb', 'w c']],
		['what is never closed', `a 'b`, ['w a', `q 'b`]],
		['a comment that is never closed', 'a /* b *', ['w a', 'c /* b *']],
		['single signs of comments', 'a - b / * c', ['w a', 'o -', 'w b', 'o /', 'o *', 'w c']],
		['a byte order mark before and in a word', '\uFEFFa\uFEFF', ['w a\uFEFF']],
		['a blob and a number', `X'00' 1.5`, ['w X', `q '00'`, 'w 1', 'o .', 'w 5']],
		['nothing', ' \t\n\f\r', []],
	])('%s', ([, sql, expected]) => expect(tokens(sql)).toEqual(expected));

	test('have their places in the text', () => {
		const sql = `CREATE "a""b" /* c */ (x)`;
		for (const { text, start, end } of tokenize(sql)) expect(sql.slice(start, end)).toBe(text);
	});
});

test.for([
	['a collate nocase', true],
	['a /* collate */', false],
	[`a DEFAULT 'COLLATE'`, false],
	['"COLLATE" TEXT', false],
	['collated', false],
	['a/**/COLLATE/**/nocase', true],
] as const)('COLLATE as a keyword in %s: %s', ([sql, expected]) => {
	expect(hasKeyword(sql, 'COLLATE')).toBe(expected);
});

describe('a reader', () => {
	test('reads keywords and names, and skips comments', () => {
		const reader = new TokenReader(`create/**/"Index" -- x\n main . [a b] "b"`);
		expect(reader.keyword()).toBe('CREATE');
		expect(reader.keyword()).toBe('');
		expect(reader.qualifiedName()).toBe('a b');
		expect(reader.qualifiedName()).toBe('b');
		expect(reader.next).toBeNull();
		expect(reader.token()).toBeNull();
		expect(reader.name()).toBe('');
	});

	test('skips keywords as far as they are there, and none in quotes', () => {
		const reader = new TokenReader('if not existing "ON"');
		expect(reader.skip('IF', 'NOT', 'EXISTS')).toBe(false);
		expect(reader.name()).toBe('existing');
		expect(reader.skip('ON')).toBe(false);
	});

	test('tells where the last token ended', () => {
		const sql = `INSERT INTO t VALUES /* (9) */ (1)`;
		const reader = new TokenReader(sql);
		while (reader.keyword() !== 'VALUES');
		expect(sql.slice(reader.end)).toBe(' /* (9) */ (1)');
	});
});
