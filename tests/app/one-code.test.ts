import { rm } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TOTP } from '../../src/lib/totp.js';
import { startApp } from './app.ts';
import { migratedFolder } from './shared.ts';

// Two processes of the built app share one bucket, as many do on Cloudflare.

const SECRET = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ';

let folder: string;
let servers: Awaited<ReturnType<typeof startApp>>[];

beforeAll(async () => {
	folder = migratedFolder();
	const vars = { TOTP_SECRET: SECRET };
	// One after the other: while it starts, a server locks the files of the state.
	servers = [await startApp(folder, vars), await startApp(folder, vars)];
});

afterAll(async () => {
	await Promise.all(servers?.map((server) => server.stop()) ?? []);
	await rm(folder, { recursive: true, force: true });
});

test('exactly one of 50 simultaneous calls with the same code, in either form, makes a backup', async () => {
	const [totp, now] = [new TOTP(SECRET), Date.now() / 1000];
	const forms = [await totp.generateTOTP(now), await totp.generateLongCode(now)];
	const answers = await Promise.all(
		Array.from({ length: 50 }, async (_, i) => {
			const headers = { Authorization: `Bearer ${forms[(i >> 1) % 2]}` }; // both to each server
			const response = await fetch(`${servers[i % 2]?.url}/api/backup`, {
				method: 'POST',
				headers,
			});
			const { code } = (await response.json()) as { code?: string };
			return `${response.status} ${code ?? ''}`.trim();
		}),
	);
	expect(answers.sort()).toEqual(['201', ...Array<string>(49).fill('401 code_spent')]);
});
