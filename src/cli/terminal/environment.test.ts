import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { run } from './run.ts';

// What the programs that commands start know of the commands' environment.

const SECRETS = ['TOTP_SECRET', 'AGE_IDENTITY', 'BACKUP_MAC_KEY', 'ACTIONS_ID_TOKEN_REQUEST_TOKEN'];
const ACCOUNT = 'CLOUDFLARE_API_TOKEN';

let folder: string;
beforeEach(() => {
	folder = mkdtempSync(join(tmpdir(), 'lifeboat-children-'));
	for (const name of ['wrangler', 'vite']) {
		writeFileSync(join(folder, name), '#!/bin/sh\nenv\n', { mode: 0o755 });
	}
	vi.stubEnv('PATH', `${folder}${delimiter}${process.env['PATH']}`);
	for (const name of [...SECRETS, ACCOUNT]) vi.stubEnv(name, 'secret');
	vi.stubEnv('HTTPS_PROXY', 'http://proxy.example');
});
afterEach(() => {
	vi.unstubAllEnvs();
	rmSync(folder, { recursive: true });
});

test.for([
	['wrangler', true],
	['vite', false],
] as const)('%s gets no secret; the token of the account: %s', async ([program, isTrusted]) => {
	const { signal } = new AbortController();
	const printed = await run(program, [], { signal });
	const names = printed.split('\n').map((line) => line.split('=')[0] ?? '');
	expect(names).toEqual(expect.arrayContaining(['PATH', 'HTTPS_PROXY']));
	for (const name of SECRETS) expect(names).not.toContain(name);
	expect(names.includes(ACCOUNT)).toBe(isTrusted);
});
