import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

// docs/security.md promises nothing without a test that keeps it.

const PAGE = readFileSync('docs/security.md', 'utf8');
const ROWS = [...PAGE.matchAll(/^\| (.*?) +\| (\[.*?) +\|$/gm)].map(([, promise, kept]) => {
	return { promise: promise ?? '', kept: kept ?? '' };
});
const LINK = /\[([^\]]+)\]\(([^)]+)\)/g;

test('every table of promises is read', () => {
	const tables = PAGE.match(/^\| Promise +\| Kept by +\|$/gm) ?? [];
	expect(ROWS.length).toBeGreaterThan(2 * tables.length);
});

test.for(ROWS)('$promise', ({ kept }) => {
	const tests = [...kept.matchAll(LINK)];
	expect(tests).not.toEqual([]);
	for (const [, title = '', link = ''] of tests) {
		const file = join('docs', link);
		expect(existsSync(file), file).toBe(true);
		const literal = new RegExp(`(['"\`]).*${RegExp.escape(title)}.*\\1,`);
		expect(readFileSync(file, 'utf8')).toMatch(literal);
	}
});
