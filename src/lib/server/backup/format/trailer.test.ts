import { expect, test } from 'vitest';
import { parseTrailer, printTrailer } from './trailer.ts';

const SHA256 = 'a'.repeat(64);
const CORE = {
	schema: { objects: 3, sha256: SHA256 },
	tables: ['users', 'constructor', '__proto__', 'two\nlines', '--'].map((name, rows) => ({
		name,
		rows,
		sha256: SHA256,
	})),
};

test('a trailer is one line, and is parsed back', () => {
	const line = printTrailer(CORE);
	expect(line).toMatch(/^-- lifeboat \{.*\}\n$/);
	expect(parseTrailer(line.slice('-- '.length).trim())).toEqual(CORE);
});

test.each([
	null,
	'',
	'a comment',
	'lifeboat',
	'lifeboat {"schema":{}}',
	'lifeboat {"schema":{"objects":1,"sha256":"x"},"tables":{}}',
])('%j is not a trailer', (comment) => {
	expect(parseTrailer(comment)).toBeNull();
});
