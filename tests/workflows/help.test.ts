import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { helpOf } from './help.ts';

const ROOT = join(import.meta.dirname, '../..');

test('the recorded help is that of the wrangler that is installed', () => {
	const path = join(ROOT, 'node_modules/wrangler/package.json');
	const { version } = JSON.parse(readFileSync(path, 'utf8')) as { version: string };
	expect(helpOf('wrangler').split('\n')[0]).toBe(`wrangler ${version}`);
});
