import { env } from 'cloudflare:workers';
import { beforeEach, describe, expect, test } from 'vitest';
import { expectError, SECRET } from '../../tests/calls.ts';
import { reset } from '../../tests/reset.ts';
import type { Manifest } from './server/backup/format/manifest.ts';
import { lifeboat, type LifeboatOptions } from './index.ts';
import { TOTP } from './totp.js';

// Lifeboat as another app mounts it: with bindings of other names, and two databases.

const ORIGIN = 'https://other.example';
const OPTIONS: LifeboatOptions = {
	databases: { shop: 'APP_DB', stats: (bindings: { STATS: D1Database }) => bindings.STATS },
	bucket: 'BACKUPS',
	hosts: [ORIGIN],
};

beforeEach(async () => {
	await reset();
	await env.DB.exec(
		"CREATE TABLE orders (id INTEGER PRIMARY KEY, what); INSERT INTO orders VALUES (1, 'boat')",
	);
	await env.COPY.exec('CREATE TABLE visits (id INTEGER PRIMARY KEY)');
});

interface Call {
	method?: string;
	body?: object;
	options?: LifeboatOptions;
	env?: object;
	authorized?: boolean;
}

/** What the hook answers, with a fresh code. */
async function ask(address: string, call: Call = {}): Promise<Response> {
	const { method = 'GET', body, options = OPTIONS, authorized = true } = call;
	const headers: Record<string, string> = body ? { 'Content-Type': 'application/json' } : {};
	const code = await new TOTP(SECRET).generateLongCode(Date.now() / 1000);
	if (authorized) headers['Authorization'] = `Bearer ${code}`;
	const { objects } = await env.MY_BUCKET.list();
	const spent = objects.filter(({ key }) => key.includes('access/'));
	await env.MY_BUCKET.delete(spent.map(({ key }) => key));
	const url = new URL(address, ORIGIN);
	const request = new Request(url, { method, headers, body: body ? JSON.stringify(body) : null });
	const bindings = { TOTP_SECRET: SECRET, APP_DB: env.DB, STATS: env.COPY, BACKUPS: env.MY_BUCKET };
	const platform = { env: call.env ?? bindings };
	const event = { request, url, platform, getClientAddress: () => '192.0.2.1' };
	return lifeboat(options).handle({ event, resolve: () => new Response("the app's own") });
}

async function backUp(query = ''): Promise<string> {
	const response = await ask(`/api/backup${query}`, { method: 'POST' });
	expect(response.status).toBe(201);
	return ((await response.json()) as { backup: { name: string } }).backup.name;
}

async function manifestOf(name: string, query = ''): Promise<Manifest> {
	return (await ask(`/api/backup/${name}.manifest.json${query}`)).json();
}

async function namesIn(query = ''): Promise<string[]> {
	const { backups } = (await (await ask(`/api/backup${query}`)).json()) as {
		backups: { name: string }[];
	};
	return backups.map(({ name }) => name);
}

describe('the hook', () => {
	test.for(['/', '/api/backups', '/api/backup-x', '/backup', '/api'])(
		'leaves %s to the app',
		async (path) => {
			expect(await (await ask(path)).text()).toBe("the app's own");
		},
	);

	test('answers at the path of the option', async () => {
		const options = { ...OPTIONS, path: '/internal/backup' };
		expect((await ask('/internal/backup', { options })).status).toBe(200);
		expect(await (await ask('/api/backup', { options })).text()).toBe("the app's own");
	});

	test('takes the environment from the option where the event has none', async () => {
		const { DB, MY_BUCKET } = env;
		const environment = () => ({ TOTP_SECRET: SECRET, DB, MY_BUCKET });
		const options = { hosts: [ORIGIN], environment };
		expect((await ask('/api/backup', { options, env: {} })).status).toBe(200);
	});

	test('takes it from the runtime where neither gives one', async () => {
		const url = new URL('/api/backup', 'http://localhost');
		const event = { request: new Request(url), url, getClientAddress: () => '192.0.2.1' };
		const resolve = () => new Response();
		const response = await lifeboat().handle({ event, resolve });
		// Of the test's own bindings, which have no secret.
		await expectError(response, 500, 'totp_secret_missing');
	});

	test('refuses other methods and names those that it takes', async () => {
		const response = await ask('/api/backup/health', { method: 'DELETE' });
		expect(response.headers.get('Allow')).toBe('GET, HEAD');
		expect(response.headers.get('Cache-Control')).toContain('no-store');
		await expectError(response, 405, 'method_not_allowed');
	});

	test('answers HEAD without a body', async () => {
		const response = await ask('/api/backup/health', { method: 'HEAD' });
		expect([response.status, await response.text()]).toEqual([503, '']);
	});

	test('serves no file for a name that is not valid', async () => {
		await expectError(await ask('/api/backup/%ff'), 404, 'backup_not_found');
		await expectError(await ask('/api/backup/a/b'), 404, 'backup_not_found');
	});

	test('answers only at the addresses of the option hosts', async () => {
		const options = { ...OPTIONS, hosts: ['https://elsewhere.example'] };
		await expectError(await ask('/api/backup', { options }), 403, 'preview_refused');
	});

	test.for(['APP_DB', 'BACKUPS'])('says that the binding %s is missing', async (name) => {
		const bindings = { APP_DB: env.DB, STATS: env.COPY, BACKUPS: env.MY_BUCKET, [name]: undefined };
		const response = await ask('/api/backup', { env: { TOTP_SECRET: SECRET, ...bindings } });
		expect(await response.text()).toContain(`"${name}"`.replaceAll('"', String.raw`\"`));
	});
});

test('with a prefix, the backups lie under it, and everything works', async () => {
	const options = { ...OPTIONS, prefix: 'backups/main/' };
	const made = await ask('/api/backup?database=stats', { method: 'POST', options });
	const { backup } = (await made.json()) as { backup: { name: string; files: string[] } };
	const { objects } = await env.MY_BUCKET.list();
	for (const { key } of objects) expect(key).toMatch(/^backups\/main\//);
	const file = `/api/backup/${backup.files[0]}?database=stats`;
	const body = { action: 'verify' };
	expect((await ask(file, { method: 'POST', body, options })).status).toBe(200);
	const { status, headers } = await ask(file, { options });
	expect([status, headers.get('Content-Disposition')]).toEqual([
		200,
		expect.stringContaining(`"${backup.name.replaceAll(':', '-')}`),
	]);
});

describe('the options', () => {
	test.for<[string, LifeboatOptions]>([
		['a path without a slash', { path: 'backup' }],
		['a path with a slash at the end', { path: '/backup/' }],
		['a prefix without a slash at its end', { prefix: 'backups' }],
		['no database', { databases: {} }],
		['a name with a slash', { databases: { 'a/b': 'DB' } }],
		['a name of 33 characters', { databases: { main: 'DB', ['x'.repeat(33)]: 'X' } }],
		['a name that the bucket uses', { databases: { main: 'DB', journal: 'X' } }],
		['a name like that of a backup', { databases: { main: 'DB', full_backup_x: 'X' } }],
		['a number, which would come first', { databases: { main: 'DB', 2024: 'X' } }],
	])('%s is refused', ([, options]) => {
		expect(() => lifeboat(options)).toThrow(expect.objectContaining({ code: 'options_invalid' }));
	});
});

describe('two databases in one bucket', () => {
	test('have backups of their own, each with its name in the manifest', async () => {
		const shop = await backUp();
		const stats = await backUp('?database=stats');
		expect([await namesIn(), await namesIn('?database=stats')]).toEqual([[shop], [stats]]);
		expect(await namesIn('?database=shop')).toEqual([shop]);
		const tables = ({ database, tables }: Manifest) => [database, tables.map(({ name }) => name)];
		expect(tables(await manifestOf(shop))).toEqual(['shop', ['orders']]);
		expect(tables(await manifestOf(stats, '?database=stats'))).toEqual(['stats', ['visits']]);
		await expectError(await ask(`/api/backup/${stats}.sql.gz`), 404, 'backup_not_found');
		const { objects } = await env.MY_BUCKET.list({ prefix: 'stats/full_backup_' });
		expect(objects.map(({ key }) => key)).toContain(`stats/${stats}.manifest.json`);
	});

	test("a manifest of one, presented as the other's, is refused", async () => {
		const stats = await backUp('?database=stats');
		const { objects } = await env.MY_BUCKET.list({ prefix: 'stats/full_' });
		for (const { key } of objects) {
			const object = await env.MY_BUCKET.get(key);
			const customMetadata = object?.customMetadata ?? {};
			await env.MY_BUCKET.put(key.slice('stats/'.length), (await object?.bytes()) ?? '', {
				customMetadata,
			});
		}
		const body = { action: 'verify' };
		const verified = await ask(`/api/backup/${stats}.sql.gz`, { method: 'POST', body });
		await expectError(verified, 422, 'manifest_elsewhere');
		const due = { action: 'backup', when: 'due' };
		expect((await ask('/api/backup', { method: 'POST', body: due })).status).toBe(201);
	});

	test('an older backup, which says DB, is the first one', async () => {
		const { DB, MY_BUCKET } = env;
		const options = { hosts: [ORIGIN], databases: { DB: 'DB' } };
		const bindings = { TOTP_SECRET: SECRET, DB, MY_BUCKET };
		await ask('/api/backup', { method: 'POST', options, env: bindings });
		const [older = ''] = await namesIn();
		expect((await manifestOf(older)).database).toBe('DB');
		const body = { action: 'verify' };
		expect((await ask(`/api/backup/${older}.sql.gz`, { method: 'POST', body })).status).toBe(200);
	});

	test('an unknown one is told to callers only', async () => {
		const stranger = await ask('/api/backup?database=none', { authorized: false });
		await expectError(stranger, 401, 'code_missing');
		const text = await expectError(
			await ask('/api/backup?database=none', { method: 'POST' }),
			404,
			'database_unknown',
		);
		expect(text).toContain('shop, stats');
		expect(await namesIn()).toEqual([]);
	});

	test.for(['constructor', '__proto__', '../stats', 'stats/'])('%s is none', async (name) => {
		const query = `?database=${encodeURIComponent(name)}`;
		await expectError(await ask(`/api/backup${query}`), 404, 'database_unknown');
	});
});
