import { expect, test } from 'vitest';
import { parseFullText } from '../virtual-table.ts';
import { countTerms, fromTerms, MAX_TERMS } from './full-text.ts';

test.for([
	['', 0],
	['00', 0],
	['040908', 17],
	['8100817F8100', 255 + 128], // 128 rows
] as const)('the sums in %s are %d terms', ([averages, terms]) => {
	expect(countTerms({ averages })).toBe(terms);
});

function fillOf(definition: string, terms: number, others = 0): string {
	const options = parseFullText(`CREATE VIRTUAL TABLE ft USING fts5(a, content='', ${definition})`);
	if (!options) throw new Error('not an FTS5 table');
	return fromTerms({ name: 'ft', columns: ['a'], options }, terms, others).search.fill;
}

test('the terms of all indexes are read up to a limit', () => {
	expect(fillOf('', MAX_TERMS)).toBe('terms');
	expect(fillOf('', MAX_TERMS, 1)).toBe('none');
	expect(fillOf('', MAX_TERMS + 1)).toBe('none');
});

test.for([
	['tokenize=trigram', 'terms'],
	['tokenize=trigram, detail=column', 'none'],
	['tokenize="trigram case_sensitive 1", det=n', 'none'],
	['tokenize="porter trigram"', 'none'],
	['tokenize=porter, detail=none', 'terms'],
])('%s: %s', ([definition = '', fill]) => {
	expect(fillOf(definition, 1)).toBe(fill);
});
