import { env } from 'cloudflare:workers';
import type { R2Bucket } from '@cloudflare/workers-types';
import { expect } from 'vitest';
import type { BackupSummary } from '$lib/server/backup/format/manifest';
import type { Environment } from '$lib/server/environment';
import { TOTP } from '$lib/totp.js';
import { POST as postBackup } from '../src/routes/api/backup/+server';

// Calls of the API inside workerd: handlers are called as SvelteKit does.

export const SECRET = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ';
export const API = 'https://app.example/api/backup';

/** Where calls come from that do not say so. */
export const ADDRESS = '192.0.2.1';

export const currentCode = () => new TOTP(SECRET).generateTOTP(Date.now() / 1000);

/** Forgets which codes were spent or wrong, as time does: no test waits for the next code. */
export async function nextCode(): Promise<void> {
	const { objects } = await env.MY_BUCKET.list({ prefix: 'access/' });
	await env.MY_BUCKET.delete(objects.map(({ key }) => key));
}

/** A request with a code of the moment, or of so many seconds later, that has started nothing yet. */
export async function authorized(init: RequestInit = {}, url = API, seconds = 0): Promise<Request> {
	await nextCode();
	const request = new Request(url, init);
	const code = await new TOTP(SECRET).generateTOTP(Date.now() / 1000 + seconds);
	request.headers.set('Authorization', `Bearer ${code}`);
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
	const getClientAddress = () => request.headers.get('cf-connecting-ip') ?? ADDRESS;
	return handler({ request, url, platform, params: { filename }, getClientAddress } as never);
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

/** What the app keeps beside the backups: who called with what, the journal, what alerts were sent. */
const ABOUT_CALLS = /^(access|journal|operations)\//;

/** Every object of the bucket that belongs to a backup or its making, with its etag. */
export async function backupObjects(): Promise<string[]> {
	const { objects } = await env.MY_BUCKET.list();
	const ours = objects.filter(({ key }) => !ABOUT_CALLS.test(key));
	return ours.map(({ key, etag }) => `${key} ${etag}`);
}

/** The bucket, of which nobody may touch the backups. */
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

/** A binding that nobody may touch. */
export function untouchable<T extends object>(): T {
	const refuse = () => {
		throw new Error('touched');
	};
	return new Proxy({} as T, { get: refuse, has: refuse });
}
