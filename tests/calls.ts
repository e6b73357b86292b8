import { env } from 'cloudflare:workers';
import { expect } from 'vitest';
import type { BackupSummary } from '$lib/server/backup/manifest';
import type { Environment } from '$lib/server/config';
import { TOTP } from '$lib/totp.js';
import { POST as postBackup } from '../src/routes/api/backup/+server';

// Calls of the API inside workerd: handlers are called as SvelteKit does.

export const SECRET = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ';
export const API = 'https://app.example/api/backup';

export const currentCode = () => new TOTP(SECRET).generateTOTP(Date.now() / 1000);

/** A request with the code of the moment. */
export async function authorized(init: RequestInit = {}, url = API): Promise<Request> {
	const request = new Request(url, init);
	request.headers.set('Authorization', `Bearer ${await currentCode()}`);
	return request;
}

/** Calls a handler, with the bindings of the tests and with `changes` to them. */
export async function call(
	handler: (event: never) => Response | Promise<Response>,
	request: Request,
	changes: Partial<Environment> = {},
): Promise<Response> {
	const url = new URL(request.url);
	const filename = decodeURIComponent(url.pathname.split('/')[3] ?? '');
	const { DB, MY_BUCKET, DRILL_DB } = env;
	const platform = { env: { DB, MY_BUCKET, DRILL_DB, TOTP_SECRET: SECRET, ...changes } };
	return handler({ request, url, platform, params: { filename } } as never);
}

/** Makes a backup of DB over the API. */
export async function makeBackup(changes: Partial<Environment> = {}): Promise<BackupSummary> {
	const response = await call(postBackup, await authorized({ method: 'POST' }), changes);
	expect(response.status).toBe(201);
	return ((await response.json()) as { backup: BackupSummary }).backup;
}

/** Expects an error of this status and code that gives no secret away; returns its text. */
export async function expectError(
	response: Response,
	status: number,
	code: string,
): Promise<string> {
	const text = await response.text();
	expect([response.status, JSON.parse(text)]).toEqual([
		status,
		{ error: expect.any(String), code, hint: expect.any(String) },
	]);
	expect(text).not.toContain(SECRET);
	return text;
}

/** A binding that nobody may touch. */
export function untouchable<T extends object>(): T {
	const refuse = () => {
		throw new Error('touched');
	};
	return new Proxy({} as T, { get: refuse, has: refuse });
}
