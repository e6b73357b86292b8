import { env } from 'cloudflare:workers';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { SECRET } from '../../tests/calls.ts';
import { reset } from '../../tests/reset.ts';
import { lifeboat } from './index.ts';
import { TOTP } from './totp.js';

// The health of an app with six databases, of which one call looks at four.

const ORIGIN = 'https://other.example';
const REMEMBERED = 'operations/databases.json';
const NAMES = ['a', 'b', 'c', 'd', 'e', 'f'];
const databases = Object.fromEntries(NAMES.map((name, index) => [name, index ? 'COPY' : 'DB']));
const app = lifeboat({ databases, hosts: [ORIGIN] });

beforeEach(async () => {
	await reset();
	await env.DB.exec('CREATE TABLE t (x)');
	await env.COPY.exec('CREATE TABLE t (x)');
});

interface Health {
	healthy: boolean;
	ages: Record<string, number | null>;
	unchecked?: number;
	warnings: string[];
	databases?: Record<string, { healthy: boolean; ages: Record<string, number | null> }>;
}

/** What the app answers: each time to a new bucket object, for which nothing is cached. */
async function ask(path: string, body?: object, changes: object = {}): Promise<Response> {
	const headers = new Headers({ 'Content-Type': 'application/json' });
	const code = await new TOTP(SECRET).generateLongCode(Date.now() / 1000);
	headers.set('Authorization', `Bearer ${code}`);
	const { objects } = await env.MY_BUCKET.list({ prefix: 'access/' });
	await env.MY_BUCKET.delete(objects.map(({ key }) => key));
	const url = new URL(`/api/backup${path}`, ORIGIN);
	const init = body ? { method: 'POST', body: JSON.stringify(body) } : {};
	const bucket = new Proxy(env.MY_BUCKET, {
		get: (target, name: 'list') => target[name].bind(target),
	});
	const bindings = { TOTP_SECRET: SECRET, DB: env.DB, COPY: env.COPY, MY_BUCKET: bucket };
	const platform = { env: { ...bindings, BACKUP_PLAN: 'paid', ...changes } };
	const request = new Request(url, { ...init, headers });
	const event = { request, url, platform, getClientAddress: () => '192.0.2.1' };
	return app.handle({ event, resolve: () => new Response(null) });
}

async function health(query = '', changes = {}): Promise<Health> {
	return (await ask(`/health${query}`, undefined, changes)).json();
}

async function backUpAll(): Promise<Record<string, string>> {
	const response = await ask('?database=*', { action: 'backup' });
	const { done } = (await response.json()) as {
		done: { database: string; backup: { name: string } }[];
	};
	return Object.fromEntries(done.map(({ database, backup }) => [database, backup.name]));
}

async function verify(database: string, name: string | undefined): Promise<void> {
	const path = `/${name}.manifest.json?database=${database}`;
	expect((await ask(path, { action: 'verify' })).status).toBe(200);
}

const remembered = async () => (await env.MY_BUCKET.get(REMEMBERED))?.text() ?? '';

describe('the health of several databases', () => {
	test('is not good until each was looked at', async () => {
		expect(await health()).toMatchObject({ healthy: false, unchecked: 2 });
		expect(await health()).toMatchObject({ healthy: false, unchecked: 0 });
	});

	test('is good once each has a backup that is proven', async () => {
		const made = await backUpAll();
		for (const name of NAMES) {
			expect(await health()).toMatchObject({ healthy: false });
			await verify(name, made[name]);
		}
		const now = await health();
		expect(now).toMatchObject({ healthy: true, unchecked: 0 });
		expect(now.databases).toEqual(
			Object.fromEntries(NAMES.map((name) => [name, expect.objectContaining({ healthy: true })])),
		);
		expect(now.ages).toEqual({ backup: 0, verification: 0, drill: null, provenBackup: 0 });
		expect((await ask('/health')).status).toBe(200);
	});

	test('is that of the worst one', async () => {
		const made = await backUpAll();
		for (const name of NAMES.slice(1)) await verify(name, made[name]);
		await health();
		const now = await health();
		expect(now).toMatchObject({ healthy: false, unchecked: 0, ages: { provenBackup: null } });
		expect(now.databases).toMatchObject({ a: { healthy: false }, b: { healthy: true } });
		expect(await health('?database=a')).toMatchObject({ healthy: false });
		const one = await health('?database=b');
		expect(one).toMatchObject({ healthy: true });
		expect(one).not.toHaveProperty('databases');
	});

	test('knows a new backup at once', async () => {
		await health();
		await health();
		await ask('?database=f', { action: 'backup' });
		expect(JSON.parse(await remembered())).toMatchObject({
			looks: { e: { backup: null }, f: { backup: expect.any(Number) } },
		});
	});

	test('cannot be made good by someone who can only write to the bucket', async () => {
		const made = await backUpAll();
		for (const name of NAMES) await verify(name, made[name]);
		expect((await health()).healthy).toBe(true);
		const good = await remembered();
		const { objects } = await env.MY_BUCKET.list({ prefix: 'f/full_' });
		await env.MY_BUCKET.delete(objects.map(({ key }) => key));
		const forged = JSON.parse(good) as { looks: Record<string, { at: number }> };
		for (const look of Object.values(forged.looks)) look.at += 1_000_000;
		await env.MY_BUCKET.put(REMEMBERED, JSON.stringify(forged));
		expect(await health()).toMatchObject({ healthy: false, unchecked: 2 });
	});

	test('grows old without a look', async () => {
		const made = await backUpAll();
		for (const name of NAMES) await verify(name, made[name]);
		const settings = { BACKUP_MAX_AGE_HOURS: '0.000001' };
		expect(await health('', settings)).toMatchObject({ healthy: false, unchecked: 0 });
	});

	test('tells of a database that cannot be looked at, and looks at the others', async () => {
		vi.spyOn(console, 'error').mockReturnValue();
		await backUpAll();
		const now = await health('', { COPY: undefined });
		expect(now.databases).toMatchObject({ b: { healthy: false, ages: { backup: null } } });
		expect(now.databases?.['a']?.ages['backup']).toBe(0);
		expect(now.warnings.join()).toContain('b: It could not be looked at');
		vi.restoreAllMocks();
	});

	test('forgets a database that the app no longer has', async () => {
		await health();
		await health();
		const fewer = lifeboat({ databases: { a: 'DB', b: 'COPY' }, hosts: [ORIGIN] });
		const { handle } = app;
		app.handle = fewer.handle;
		const now = await health();
		app.handle = handle;
		expect(Object.keys(now.databases ?? {})).toEqual(['a', 'b']);
		expect(Object.keys((JSON.parse(await remembered()) as { looks: object }).looks)).toEqual([
			'a',
			'b',
		]);
	});
});
