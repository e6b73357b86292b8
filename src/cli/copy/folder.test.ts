import {
	mkdirSync,
	mkdtempSync,
	readdirSync,
	readFileSync,
	rmSync,
	statSync,
	writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { FolderDestination } from './folder.ts';

const NAME = 'full_backup_2026-11-22T21:52:00.000Z.sql.gz';

let parent: string;
let folder: string;
let destination: FolderDestination;
beforeEach(() => {
	parent = mkdtempSync(join(tmpdir(), 'lifeboat-folder-'));
	folder = join(parent, 'new', 'copies');
	destination = new FolderDestination(folder, new AbortController().signal);
});
afterEach(() => rmSync(parent, { recursive: true }));

/** Writes a complete file into the private folder; returns its path. */
function staged(bytes: string): string {
	const path = join(destination.prepare(), 'file');
	writeFileSync(path, bytes);
	return path;
}

test('a file is stored, measured and read', async () => {
	expect(await destination.store(NAME, staged('the bytes'))).toBe(true);
	expect((await destination.sizes()).get(NAME)).toBe(9);
	expect(await text(await destination.read(NAME))).toBe('the bytes');
	expect(statSync(folder).mode & 0o777).toBe(0o700);
});

test('nothing is overwritten', async () => {
	await destination.store(NAME, staged('older'));
	expect(await destination.store(NAME, staged('newer'))).toBe(false);
	expect(readFileSync(join(folder, NAME), 'utf8')).toBe('older');
});

test('what a killed run has left is removed, and what another one is using is not', () => {
	const [own, killed] = [destination.prepare(), 'lifeboat-99999999-abcdef'];
	writeFileSync(join(own, 'file'), 'part');
	for (const name of [killed, 'lifeboat-notes']) mkdirSync(join(folder, name));
	destination.prepare();
	expect(readFileSync(join(own, 'file'), 'utf8')).toBe('part');
	expect(readdirSync(folder)).not.toContain(killed);
	expect(readdirSync(folder)).toContain('lifeboat-notes');
});
