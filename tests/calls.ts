import { env } from 'cloudflare:workers';
import type { R2Bucket } from '@cloudflare/workers-types';
import { expect } from 'vitest';
import type { BackupSummary } from '$lib/server/backup/format/manifest';
import type { Environment } from '$lib/server/environment';
import { TOTP } from '$lib/totp.js';
import { POST as postBackup } from '../src/lib/server/http/routes/backups.ts';

// Calls API handlers inside workerd, the way SvelteKit calls them.

export const SECRET = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ';
export const API = 'https://app.example/api/backup';

/** The address of a caller who states none. */
export const ADDRESS = '192.0.2.1';

export const currentCode = () => new TOTP(SECRET).generateTOTP(Date.now() / 1000);

/** Forgets spent and wrong codes, so that no test has to wait for the next code. */
export async function nextCode(): Promise<void> {
	const { objects } = await env.MY_BUCKET.list({ prefix: 'access/' });
	await env.MY_BUCKET.delete(objects.map(({ key }) => key));
}

/** A request with an unspent code: the current one, or the one `seconds` from now. */
export async function authorized(init: RequestInit = {}, url = API, seconds = 0): Promise<Request> {
	await nextCode();
	const request = new Request(url, init);
	const code = await new TOTP(SECRET).generateTOTP(Date.now() / 1000 + seconds);
	request.headers.set('Authorization', `Bearer ${code}`);
	return request;
}

/** Calls a handler with the test bindings, overridden by `changes`. */
export async function call(
	handler: (event: never) => Response | Promise<Response>,
	request: Request,
	changes: Partial<Environment> = {},
): Promise<Response> {
	const url = new URL(request.url);
	const filename = decodeURIComponent(url.pathname.split('/')[3] ?? '');
	const { DB, MY_BUCKET, DRILL_DB } = env;
	const settings = { TOTP_SECRET: SECRET, BACKUP_ORIGIN: new URL(API).origin };
	const platform = { env: { DB, MY_BUCKET, DRILL_DB, ...settings, ...changes } };
	const getClientAddress = () => request.headers.get('cf-connecting-ip') ?? ADDRESS;
	return handler({ request, url, platform, params: { filename }, getClientAddress } as never);
}

/** Makes a backup of DB over the API. */
export async function makeBackup(changes: Partial<Environment> = {}): Promise<BackupSummary> {
	const response = await call(postBackup, await authorized({ method: 'POST' }), changes);
	expect(response.status).toBe(201);
	return ((await response.json()) as { backup: BackupSummary }).backup;
}

/** Expects an error with this status and code that reveals no secret; returns its text. */
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

/** What the app stores in addition to backups: used codes, the audit log, the alerts sent. */
const ABOUT_CALLS = /^(access|journal|operations)\//;

/** Every object that belongs to a finished or unfinished backup, with its etag. */
export async function backupObjects(): Promise<string[]> {
	const { objects } = await env.MY_BUCKET.list();
	const ours = objects.filter(({ key }) => !ABOUT_CALLS.test(key));
	return ours.map(({ key, etag }) => `${key} ${etag}`);
}

/** The bucket; any access to a backup throws. */
export function untouchableBackups(): R2Bucket {
	return new Proxy(env.MY_BUCKET, {
		get:
			(bucket, name) =>
			(first: string | string[] | { prefix?: string }, ...rest: unknown[]) => {
				const keys = typeof first === 'object' && 'prefix' in first ? first.prefix : first;
				if (![keys].flat().every((key) => ABOUT_CALLS.test(String(key))))
					throw new Error('touched');
				const method = Reflect.get(bucket, name) as (...args: unknown[]) => unknown;
				return method.call(bucket, first, ...rest);
			},
	});
}

/** A binding that throws on any access. */
export function untouchable<T extends object>(): T {
	const refuse = () => {
		throw new Error('touched');
	};
	return new Proxy({} as T, { get: refuse, has: refuse });
}
