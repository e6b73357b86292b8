import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { App } from './app.ts';
import { product } from './shared.ts';

// Asks the built app for every route in SvelteKit's manifest.

const MANIFEST = new URL('../../.svelte-kit/output/server/manifest-full.js', import.meta.url).href;
const ASSETS = '.svelte-kit/cloudflare';

/** Values for the route parameters. */
const PARAMETERS: Record<string, string> = {
	filename: 'full_backup_2026-11-22T21:52:00.000Z.sql',
	name: 'full_backup_2026-11-22T21:52:00.000Z',
};

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];

interface Manifest {
	_: { routes: { id: string }[] };
}

let app: App;

beforeAll(async () => {
	app = new App(product());
	await app.start({
		TOTP_SECRET: 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ',
		AUTH_SECRET: 'x'.repeat(32),
		GITHUB_ID: 'Iv1.lifeboat',
		GITHUB_SECRET: '0123456789abcdef',
	});
});

afterAll(() => app?.stop());

const { manifest } = (await import(MANIFEST)) as { manifest: Manifest };
/** What the hook answers: it is in no manifest. */
const API = [
	'/api/backup',
	'/api/backup/[filename]',
	'/api/backup/check',
	'/api/backup/health',
	'/api/backup/journal',
	'/api/backup/lockout',
];
const ofManifest = manifest._.routes.map(({ id }) => id);
const routes = [...ofManifest, ...API];

/** The path of a route. Throws for a parameter that has no value above. */
function pathOf(route: string): string {
	return route.replace(/\[(\w+)\]/g, (_, name: string) => {
		const value = PARAMETERS[name];
		if (value === undefined) throw new Error(`${route} has a parameter to be named in this test.`);
		return encodeURIComponent(value);
	});
}

const ask = (path: string, method = 'GET', headers: Record<string, string> = {}) =>
	fetch(app.url + path, { method, headers, redirect: 'manual' });

/** Expects the headers that every response must have. */
function expectHardened(response: Response, what: string): void {
	const headers = Object.fromEntries(response.headers);
	expect([what, headers]).toMatchObject([
		what,
		{
			'x-content-type-options': 'nosniff',
			'x-frame-options': 'DENY',
			'referrer-policy': 'same-origin',
			'permissions-policy': expect.stringContaining('camera=()'),
			'cross-origin-opener-policy': 'same-origin',
			'cross-origin-resource-policy': 'same-origin',
			'cache-control': 'private, no-store',
		},
	]);
	expectStrict(headers['content-security-policy'] ?? '', what);
}

/** Expects a policy that allows only the app's own scripts, by nonce, and no frame around the page. */
function expectStrict(policy: string, what: string): void {
	const directives = new Map(
		policy.split(/; */).map((one) => one.split(/ (.*)/s) as [string, string]),
	);
	expect([what, directives.get('frame-ancestors')]).toEqual([what, "'none'"]);
	expect([what, directives.get('base-uri')]).toEqual([what, "'none'"]);
	const script = directives.get('script-src') ?? directives.get('default-src') ?? '';
	expect([what, script]).toEqual([
		what,
		expect.stringMatching(/^('none'|'self' 'nonce-[\w+/=]+')$/),
	]);
	expect([what, policy]).toEqual([
		what,
		expect.not.stringMatching(/unsafe-(inline|eval)|\*|http:/),
	]);
}

test('the manifest has the routes of this app', () => {
	expect(ofManifest).toEqual(expect.arrayContaining(['/', '/profile', '/backups', '/api/users']));
});

describe.for(routes)('%s', (route) => {
	test.for(METHODS)('%s has all headers', async (method) => {
		const path = pathOf(route);
		const type = { 'Content-Type': 'application/json' };
		expectHardened(await ask(path, method, method === 'GET' ? {} : type), `${method} ${path}`);
	});

	test('data and actions have all headers', async () => {
		const path = pathOf(route);
		for (const of of [
			`${path.replace(/\/$/, '')}/__data.json`,
			`${path}?/lift`,
			`${path}?x[]=%00`,
		]) {
			expectHardened(await ask(of), `GET ${of}`);
		}
		const form = { 'Content-Type': 'application/x-www-form-urlencoded', Origin: app.url };
		expectHardened(await ask(`${path}?/lift`, 'POST', form), `a form to ${path}`);
	});
});

test.for([
	...['/auth/signin', '/auth/signout', '/auth/error', '/auth/error?error=Configuration'],
	...['/auth/session', '/auth/csrf', '/auth/providers', '/auth/callback/github', '/auth/nothing'],
	...['/auth/callback/github?code=x&state=y', '/nothing', '/api/nothing', '/%zz', '/..%2f'],
])('GET %s has all headers', async (path) => expectHardened(await ask(path), path));

test('the redirect to GitHub has all headers', async () => {
	const form = { 'Content-Type': 'application/x-www-form-urlencoded', Origin: app.url };
	const response = await ask('/auth/signin/github', 'POST', form);
	expect(response.status).toBe(302);
	expectHardened(response, 'POST /auth/signin/github');
});

test.for(['X-Forwarded-Host', 'X-Forwarded-Proto'])(
	'a forged %s does not change the answer',
	async (name) => {
		for (const value of ['evil.example', 'http', '%', '💩'.repeat(3)]) {
			const headers = { [name]: Buffer.from(value).toString('latin1') };
			expect((await ask('/', 'GET', headers)).status).toBe(200);
			const form = { 'Content-Type': 'application/x-www-form-urlencoded', Origin: app.url };
			const { location } = Object.fromEntries(
				(await ask('/auth/signin/github', 'POST', { ...form, ...headers })).headers,
			);
			const callback = new URL(location ?? '').searchParams.get('redirect_uri');
			expect(callback).toBe(`${app.url}/auth/callback/github`);
		}
	},
);

// SvelteKit sends these answers before it calls a hook.
test('a form from another site is refused, with all headers', async () => {
	const form = {
		'Content-Type': 'application/x-www-form-urlencoded',
		Origin: 'https://evil.example',
	};
	for (const path of ['/backups?/lift', '/api/backup', '/auth/signout']) {
		const response = await ask(path, 'POST', form);
		expect([path, response.status]).toEqual([path, 403]);
		expectHardened(response, path);
		expect(await response.text()).toBe('Cross-site POST form submissions are forbidden');
	}
});

test('an address with a trailing slash redirects, with all headers', async () => {
	for (const route of ofManifest.filter((route) => route !== '/')) {
		const response = await ask(`${pathOf(route)}/`);
		expect([route, response.status]).toEqual([route, 308]);
		expectHardened(response, route);
		const { pathname, origin } = new URL(response.headers.get('Location') ?? '', app.url);
		expect([origin, decodeURIComponent(pathname)]).toEqual([
			app.url,
			decodeURIComponent(pathOf(route)),
		]);
	}
});

test.for([
	...['/_app/nothing.js', '/_app/env.js', '/profile/__route.js', '/_app/remote/x/y'],
	...['/auth/signin/__data.json'],
])('GET %s has all headers', async (path) => expectHardened(await ask(path), path));

test('static files that Cloudflare serves have their own headers', async () => {
	const files = (await readdir(join(ASSETS, '_app'), { recursive: true })).filter((name) =>
		/\.(js|css)$/.test(name),
	);
	expect(files.length).toBeGreaterThan(5);
	for (const path of [...files.map((name) => `/_app/${name}`), '/favicon.svg']) {
		const response = await ask(path);
		expect([path, response.status, Object.fromEntries(response.headers)]).toMatchObject([
			...[path, 200],
			{
				'x-content-type-options': 'nosniff',
				'content-security-policy': expect.stringContaining("default-src 'none'"),
			},
		]);
	}
});

test('over https, browsers are told to keep using it', async () => {
	const { harden } = await import('../../src/lib/server/http/headers.ts');
	const headers = new Headers({ 'Content-Security-Policy': "default-src 'self'" });
	harden(headers, new URL('https://app.example'));
	expect(headers.get('Strict-Transport-Security')).toBe('max-age=63072000');
	expect(headers.get('Content-Security-Policy')).toBe("default-src 'self'");
});
