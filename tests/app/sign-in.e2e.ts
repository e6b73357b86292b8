import { expect, type Page } from '@playwright/test';
import { runLocally } from '../operator.ts';
import { expectAccessible, expectToFit } from './dashboard.ts';
import { type Account } from './github.ts';
import * as people from './people.ts';
import { ADA, authorize, GRACE, type People, signInButton, startPeople, test } from './people.ts';

const PHONE = { width: 375, height: 667 };

let all: People;
let app: string;

test.beforeAll(async () => {
	all = await startPeople();
	app = all.app;
});

test.afterAll(() => all?.stop());

const signIn = (page: Page, account: Account = GRACE) => people.signIn(all, page, account);

async function listUsers(page: Page, query = '') {
	const response = await page.request.get(`${app}/api/users${query}`);
	expect(response.status()).toBe(200);
	return (await response.json()) as { users: Record<string, unknown>[]; cursor: string | null };
}

async function query(sql: string): Promise<Record<string, unknown>[]> {
	const [rows] = runLocally(all.folder, sql);
	return rows as Record<string, unknown>[];
}

/** The tokens of all sessions as the database holds them. */
async function sessionTokens(): Promise<string[]> {
	const rows = await query('SELECT sessionToken FROM sessions ORDER BY sessionToken');
	return rows.map((row) => String(row['sessionToken']));
}

test('a visitor who is signed out sees the home page and no profile', async ({ page }) => {
	await page.goto(app);
	await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
	await expect(signInButton(page)).toBeVisible();
	await expect(page.getByRole('button', { name: 'Sign out' })).toHaveCount(0);

	const profile = await page.request.get(`${app}/profile`, { maxRedirects: 0 });
	expect(profile.status()).toBe(303);
	expect(profile.headers()['location']).toBe('/');
});

test('signing in with GitHub leads to the profile, and signing out back home', async ({ page }) => {
	await signIn(page);
	await expect(page.getByRole('heading', { name: 'Grace Hopper' })).toBeVisible();
	await expect(page.getByText('grace@example.com')).toBeVisible();
	await expect(page.getByText('583231')).toBeVisible();
	const cookies = await page.context().cookies(app);
	const session = cookies.find((cookie) => cookie.name === 'authjs.session-token');
	expect(session).toMatchObject({ httpOnly: true, sameSite: 'Lax' });
	expect(await page.content()).not.toContain(session?.value);

	await page.getByRole('button', { name: 'Sign out' }).click();
	await expect(signInButton(page)).toBeVisible();
	expect((await page.request.get(`${app}/api/users`)).status()).toBe(401);
});

test('what the database holds of a session signs nobody in, and signing out removes it', async ({
	page,
}) => {
	const before = await sessionTokens();
	await signIn(page);
	const tokens = (await sessionTokens()).filter((token) => !before.includes(token));
	expect(tokens).toHaveLength(1);
	const cookies = (await page.context().cookies(app)).map(({ name, value }) => ({ name, value }));
	const { name = '', value } = cookies.find(({ name }) => name.endsWith('session-token')) ?? {};
	expect(tokens).not.toContain(value);
	const asked = (token = '') =>
		fetch(`${app}/api/users`, { headers: { Cookie: `${name}=${token}` } });
	expect((await asked(value)).status).toBe(200);
	expect((await asked(tokens[0])).status).toBe(401);

	await page.getByRole('button', { name: 'Sign out' }).click();
	await expect(signInButton(page)).toBeVisible();
	expect((await asked(value)).status).toBe(401);
	expect(await sessionTokens()).toEqual(before);
});

test('a second GitHub account cannot be linked to a signed-in user', async ({ page }) => {
	await signIn(page, GRACE);
	const accounts = await query('SELECT * FROM accounts');
	all.github.account = { ...GRACE, id: 666, login: 'thief', email: 'thief@example.com' };
	// The app shows no button for it, but anybody can send the form.
	const asked = await page.request.post(`${app}/auth/signin/github`, {
		...{ headers: { origin: app }, form: { callbackUrl: '/profile' }, maxRedirects: 0 },
	});
	await page.goto(asked.headers()['location'] ?? '');
	await page.getByRole('button', { name: 'Authorize' }).click();
	await expect(page.getByRole('alert')).toContainText('Sign out first');
	expect(await query('SELECT * FROM accounts')).toEqual(accounts);
	await page.goto(`${app}/profile`);
	await expect(page.getByText('583231')).toBeVisible();
});

test('signing in again finds the same user, and no GitHub token is kept', async ({ page }) => {
	await signIn(page);
	const { users } = await listUsers(page);
	await page.context().clearCookies();
	await signIn(page);
	expect((await listUsers(page)).users).toEqual(users);
	expect(users.filter((user) => user['name'] === 'Grace Hopper')).toHaveLength(1);

	expect(all.github.tokens.length).toBeGreaterThan(1);
	const accounts = JSON.stringify(await query('SELECT * FROM accounts'));
	expect(accounts).toContain('583231');
	expect(accounts).not.toContain('gho_');
});

test('the list of users is paged and has only public fields', async ({ page }) => {
	await signIn(page, ADA);
	await page.context().clearCookies();
	await signIn(page, GRACE);
	const first = await listUsers(page, '?limit=1');
	const second = await listUsers(page, `?limit=1&cursor=${first.cursor}`);
	expect(second.cursor).toBeNull();
	const users = [...first.users, ...second.users];
	expect(users.map((user) => user['name']).sort()).toEqual(['Grace Hopper', 'ada']);
	for (const user of users) expect(Object.keys(user).sort()).toEqual(['id', 'image', 'name']);

	const refused = await page.request.get(`${app}/api/users?limit=0`);
	expect(refused.status()).toBe(400);
	expect(await refused.json()).toMatchObject({ code: 'query_invalid' });
});

test('only people who are signed in can list users', async ({ request }) => {
	const response = await request.get(`${app}/api/users`);
	expect(response.status()).toBe(401);
	expect(response.headers()['cache-control']).toBe('private, no-store');
	expect(await response.json()).toEqual({
		error: expect.any(String),
		code: 'not_signed_in',
		hint: expect.any(String),
	});
});

test('an image from a host that is not allowed gives way to the initial', async ({ browser }) => {
	const page = await browser.newPage(); // without the check for policy violations
	const avatar = 'https://elsewhere.invalid/eve.png';
	await signIn(page, { id: 5, login: 'eve', name: 'Eve', email: 'eve@example.com', avatar });
	await expect(page.getByText('E', { exact: true })).toBeVisible();
	await page.close();
});

test('people who cancel at GitHub see why they are not signed in', async ({ page }) => {
	all.github.account = { ...GRACE, id: 2, login: 'hesitant' };
	await page.goto(app);
	await signInButton(page).click();
	await page.getByRole('button', { name: 'Cancel' }).click();
	await expect(page.getByRole('alert')).toContainText('GitHub did not authorize the sign-in');
	await expect(signInButton(page)).toBeVisible();
});

test('an e-mail address of another account does not open that account', async ({ page }) => {
	await signIn(page, GRACE);
	await page.context().clearCookies();
	all.github.account = { ...GRACE, id: 3, login: 'imposter' };
	await page.goto(app);
	await signInButton(page).click();
	await page.getByRole('button', { name: 'Authorize' }).click();
	await expect(page.getByRole('alert')).toContainText(
		'Another account here has this e-mail address',
	);
});

test('every kind of response has the security headers', async ({ page }) => {
	for (const path of ['/', '/nowhere', '/auth/signin', '/auth/session', '/api/users']) {
		const headers = (await page.request.get(app + path, { maxRedirects: 0 })).headers();
		expect(headers, path).toMatchObject({
			'cache-control': 'private, no-store',
			'x-content-type-options': 'nosniff',
			'x-frame-options': 'DENY',
			'referrer-policy': 'same-origin',
			'permissions-policy': expect.stringContaining('camera=()'),
		});
	}
	const policy = (await page.request.get(app)).headers()['content-security-policy'];
	expect(policy).toContain("default-src 'self'");
	expect(policy).toContain("frame-ancestors 'none'");
	expect(policy).not.toContain('unsafe-inline');
});

test('forms from other sites and the demo sign-in are refused', async ({ request }) => {
	for (const origin of ['https://evil.example', 'null']) {
		const options = { headers: { origin }, form: { callbackUrl: '/' } };
		const response = await request.post(`${app}/auth/signin/github`, options);
		expect(response.status()).toBe(403);
	}
	const demo = await request.post(`${app}/?/demo`, { headers: { origin: app }, form: {} });
	expect(demo.status()).toBe(405);
});

test('signing out never redirects to another site', async ({ request }) => {
	const response = await request.post(`${app}/auth/signout`, {
		headers: { origin: app },
		form: { callbackUrl: 'https://evil.example/' },
		maxRedirects: 0,
	});
	expect(response.headers()['location']).toBe(app);
});

test('the pages fit a phone, and are accessible, in the dark too', async ({ page }) => {
	await page.setViewportSize(PHONE);
	const expectToSuit = async () => {
		await expectToFit(page);
		for (const colorScheme of ['light', 'dark'] as const) {
			await page.emulateMedia({ colorScheme });
			await expectAccessible(page);
		}
	};
	await page.goto(app);
	await expectToSuit();
	await signIn(page, {
		...GRACE,
		id: 4,
		name: 'W'.repeat(60),
		email: `${'w'.repeat(60)}@w.example`,
	});
	await expectToSuit();
	await page.goto(`${app}/nowhere`);
	await expect(page.getByRole('heading', { name: 'Not Found' })).toBeVisible();
	await expectToSuit();
});

test('the keyboard is enough to sign in', async ({ page }) => {
	all.github.account = GRACE;
	await page.goto(app);
	for (let presses = 0; presses < 5; presses++) {
		await page.keyboard.press('Tab');
		if (await signInButton(page).evaluate((button) => button === document.activeElement)) break;
	}
	await expect(signInButton(page)).toBeFocused();
	await page.keyboard.press('Enter');
	await authorize(all, page);
	await page.waitForURL(`${app}/profile`);
});

test.describe('without JavaScript', () => {
	test.use({ javaScriptEnabled: false });

	test('people sign in and out', async ({ page }) => {
		await signIn(page);
		await expect(page.getByRole('heading', { name: 'Grace Hopper' })).toBeVisible();
		await page.getByRole('button', { name: 'Sign out' }).click();
		await expect(signInButton(page)).toBeVisible();
	});
});
