import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { findChromium } from './chromium.ts';

let folder: string;
beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), 'lifeboat-browser-'))));
afterEach(() => rm(folder, { recursive: true }));

async function program(script: string): Promise<string> {
	const path = join(folder, 'chromium');
	await writeFile(path, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
	return path;
}

test('the browser in CHROMIUM_PATH takes precedence', async () => {
	const path = await program('[ "$1" = --version ]');
	vi.stubEnv('CHROMIUM_PATH', path);
	expect(findChromium()).toBe(path);
});

test('a browser that does not start is skipped', async () => {
	const path = await program('echo Install the snap instead. >&2; exit 1');
	vi.stubEnv('CHROMIUM_PATH', path);
	expect(findChromium()).not.toBe(path);
});
