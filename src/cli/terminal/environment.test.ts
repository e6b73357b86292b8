import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { run } from './run.ts';

// What the programs that commands start know of the commands' environment.

const SECRETS = ['TOTP_SECRET', 'AGE_IDENTITY', 'BACKUP_MAC_KEY', 'ACTIONS_ID_TOKEN_REQUEST_TOKEN'];
const ACCOUNTS = { wrangler: 'CLOUDFLARE_API_TOKEN', gh: 'GH_TOKEN', vite: null };

let folder: string;
beforeEach(() => {
	folder = mkdtempSync(join(tmpdir(), 'lifeboat-children-'));
	for (const name of ['wrangler', 'gh', 'vite']) {
		writeFileSync(join(folder, name), '#!/bin/sh\nenv\n', { mode: 0o755 });
	}
	vi.stubEnv('PATH', `${folder}${delimiter}${process.env['PATH']}`);
	for (const name of [...SECRETS, 'CLOUDFLARE_API_TOKEN', 'GH_TOKEN']) vi.stubEnv(name, 'secret');
	vi.stubEnv('HTTPS_PROXY', 'http://proxy.example');
});
afterEach(() => {
	vi.unstubAllEnvs();
	rmSync(folder, { recursive: true });
});

test.for(Object.entries(ACCOUNTS))('%s gets no secret; its token: %s', async ([program, own]) => {
	const { signal } = new AbortController();
	const printed = await run(program, [], { signal });
	const names = printed.split('\n').map((line) => line.split('=')[0] ?? '');
	expect(names).toEqual(expect.arrayContaining(['PATH', 'HTTPS_PROXY']));
	for (const name of SECRETS) expect(names).not.toContain(name);
	const tokens = names.filter((name) => /^(CLOUDFLARE_API|GH)_TOKEN$/.test(name));
	expect(tokens).toEqual(own === null ? [] : [own]);
	expect(await run('cat', [], { signal, input: 'some' })).toBe('some');
});
