import { expect, test as base, type Page } from '@playwright/test';
import { rm } from 'node:fs/promises';
import { freePort, startServer } from '../../src/cli/embedded/server.ts';
import { startApp } from './app.ts';
import { type Account, GitHub } from './github.ts';
import { migratedFolder, product } from './shared.ts';

// The built app, and a stand-in for github.com with accounts that sign in to it in a browser.

const AVATAR =
	'data:image/svg+xml,<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><path fill="%230ca678" d="M0 0h9v9H0z"/><circle cx="4.5" cy="4.5" r="2.5" fill="%23fff"/></svg>';
export const GRACE: Account = {
	id: 583231,
	login: 'grace',
	name: 'Grace Hopper',
	email: 'Grace@example.com',
	avatar: AVATAR,
};
export const ADA: Account = {
	id: 1815,
	login: 'ada',
	name: null,
	email: 'ada@example.com',
	avatar: AVATAR,
};

/** An app that people can sign in to. */
export interface People {
	/** Its origin. */
	app: string;
	/** Folder of its embedded D1 and R2. */
	folder: string;
	github: GitHub;
	stop(): Promise<void>;
}

export const test = base.extend<{ page: Page }>({
	// A page whose script and style the Content-Security-Policy accepts.
	page: async ({ page }, use) => {
		const violations: string[] = [];
		page.on('console', (message) => {
			if (message.text().includes('Content Security Policy')) violations.push(message.text());
		});
		page.on('pageerror', (error) => violations.push(String(error)));
		await use(page);
		expect(violations).toEqual([]);
	},
});

/** Starts the app, or the built one in another folder, with the settings for signing in and the given ones. */
export async function startPeople(
	vars: Record<string, string> = {},
	built?: string,
): Promise<People> {
	const folder = migratedFolder();
	const port = await freePort();
	// A different host name than GitHub's, as in production, so that cookies and redirects cross sites.
	const app = `http://localhost:${port}`;
	const client = { clientId: 'Iv1.lifeboat', clientSecret: '0123456789abcdef' };
	const github = await GitHub.start({ ...client, callback: `${app}/auth/callback/github` }, GRACE);
	const settings = {
		AUTH_SECRET: 'a long random string for tests',
		GITHUB_ID: client.clientId,
		GITHUB_SECRET: client.clientSecret,
		GITHUB_ENTERPRISE_URL: github.url,
		...vars,
	};
	const server = await (built === undefined
		? startApp(folder, settings, port)
		: startServer({ as: product(), folder: built, port, persistTo: folder, vars: settings }));
	return {
		app,
		folder,
		github,
		async stop() {
			await server.stop();
			await github.stop();
			await rm(folder, { recursive: true, force: true });
		},
	};
}

/** The button on the home page. */
export const signInButton = (page: Page) =>
	page.getByRole('button', { name: 'Sign in with GitHub' });

/** Signs in with the button on the home page, and waits for the profile. */
export async function signIn(
	{ app, github }: People,
	page: Page,
	account: Account = GRACE,
): Promise<void> {
	github.account = account;
	await page.goto(app);
	await signInButton(page).click();
	await authorize({ app, github }, page);
	await page.waitForURL(`${app}/profile`);
}

/** GitHub only asks people who have not authorized the app before. */
export async function authorize(
	{ github }: Pick<People, 'app' | 'github'>,
	page: Page,
): Promise<void> {
	await page.waitForURL((url) => url.pathname === '/profile' || url.origin === github.url);
	if (!page.url().startsWith(github.url)) return;
	await page.getByRole('button', { name: 'Authorize' }).click();
}
