import { globSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { MUTATIONS } from './mutations.ts';

const FILES = globSync('{src,tests}/**/*.test.ts');

// Without this, only `npm run mutations` would notice that the text a fault replaces has changed.
test.for(MUTATIONS)('the fault "$title" can be planted', ({ file, right, tests }) => {
	expect(readFileSync(file, 'utf8').split(right)).toHaveLength(2);
	for (const path of tests) expect(FILES).toContainEqual(expect.stringContaining(path));
});
