import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { makeIdentity } from '../src/cli/secrets/identity.ts';
import type { Manifest } from '../src/lib/server/backup/format/manifest.ts';
import type { Compression } from '../src/lib/server/backup/format/names.ts';
import { sqlite3 } from './operator.ts';
import { CHANGED, CHANGED_RESULT, storePair } from './stored-pair.ts';

// The commands of docs/restore.md that need nothing of this project, as they stand there.

const DOCS = readFileSync('docs/restore.md', 'utf8');

/** The block of commands with these words, with the names of a reader. */
function commands(
	words: RegExp,
	{ name, compression }: { name: string; compression: Compression },
) {
	const [section = ''] = /^## With standard tools alone\n[^]*?(?=^## )/m.exec(DOCS) ?? [];
	const blocks = [...section.matchAll(/^```sh\n([^]*?)^```$/gm)].map(([, text = '']) => text);
	const found = blocks.filter((block) => words.test(block));
	expect(found).toHaveLength(1);
	const program = { gzip: '| gunzip', zstd: '| zstd -d', off: '' }[compression];
	const [block = ''] = found;
	return block
		.replaceAll('NAME', name)
		.replace('| gunzip', program)
		.replace(/^gunzip/, program.slice(2))
		.replace('.gz', { gzip: '.gz', zstd: '.zst', off: '' }[compression])
		.replace('-i KEY', '-i own.agekey');
}

const LOOP = /while read[^]*head -c "\$length"\n/;
const LOOP_WITH_AGE = /while read[^]*\| age -d -i KEY\n/;
const ONE_FILE = /^gunzip </;

let parent: string;
let folder: string;
let recipient: string;
beforeAll(async () => {
	parent = mkdtempSync(join(tmpdir(), 'lifeboat-docs-'));
	recipient = await makeIdentity(join(parent, 'own.agekey'), false);
});
afterAll(() => rmSync(parent, { recursive: true }));
beforeEach(() => {
	folder = join(parent, String(Math.random()));
	mkdirSync(folder);
	execFileSync('cp', [join(parent, 'own.agekey'), folder]);
});
afterEach(() => rmSync(folder, { recursive: true }));

const store = (compression: Compression, recipients: string[], inSteps: boolean) =>
	storePair(folder, { macKey: 'a key', encoding: { compression, recipients }, inSteps });

/** Runs commands in the folder, and restores the SQL that they leave with sqlite3. */
function restore(text: string): string {
	const { stderr, status } = spawnSync('sh', ['-c', text], { cwd: folder, encoding: 'utf8' });
	expect([stderr, status]).toEqual(['', 0]);
	const sql = readFileSync(join(folder, 'backup.sql'), 'utf8');
	expect(sql).toMatch(/^-- lifeboat {.*}\n$/m);
	const restored = join(folder, 'restored.db');
	rmSync(restored, { force: true });
	sqlite3(restored, sql);
	return sqlite3(restored, CHANGED);
}

describe.for(['gzip', 'zstd', 'off'] as const)('files stored as %s', (compression) => {
	const bring = (words: RegExp, { name }: Manifest) =>
		restore(commands(words, { name, compression }));

	test.for([false, true])('are put together, made in steps: %s', async (inSteps) => {
		const { full, differential } = await store(compression, [], inSteps);
		expect(full.volumes.length > 1).toBe(inSteps);
		expect(bring(LOOP, differential)).toBe(CHANGED_RESULT);
		expect(bring(LOOP, full)).toBe('400|0');
		if (!inSteps && compression !== 'off') expect(bring(ONE_FILE, full)).toBe('400|0');
	});

	test.for([false, true])('are decrypted and put together, made in steps: %s', async (inSteps) => {
		const { full, differential } = await store(compression, [recipient], inSteps);
		expect(bring(LOOP_WITH_AGE, differential)).toBe(CHANGED_RESULT);
		expect(bring(LOOP_WITH_AGE, full)).toBe('400|0');
	});
});

test('a missing file is named', async () => {
	const { full, differential } = await store('gzip', [], false);
	const [volume] = full.volumes;
	rmSync(join(folder, volume?.key ?? ''));
	const text = commands(LOOP, { name: differential.name, compression: 'gzip' });
	const { stderr } = spawnSync('sh', ['-c', text], { cwd: folder, encoding: 'utf8' });
	expect(stderr).toContain(`${volume?.key} is missing`);
});
