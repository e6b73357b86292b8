import { expect, type Locator, type Page } from '@playwright/test';
import { makeBackup, SECRET } from './dashboard.ts';
import { GRACE, type People, signIn, startPeople, test } from './people.ts';

// What script does on every page: live.js on the status page, Svelte on the others.

const ZONE = 'Asia/Tokyo';

let all: People;
let name: string;

test.use({ timezoneId: ZONE, permissions: ['clipboard-read', 'clipboard-write'] });
test.beforeAll(async () => {
	all = await startPeople({ TOTP_SECRET: SECRET, BACKUP_ADMINS: String(GRACE.id) });
});
test.afterAll(() => all?.stop());
test.beforeEach(async ({ page }) => {
	await signIn(all, page);
	name ??= await makeBackup(all, page);
});

const path = (rest = '') => `${all.app}/backups${rest}`;

const print = (at: string, timeZone: string, timeStyle: 'short' | 'medium') =>
	new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle, timeZone }).format(
		new Date(at),
	);

async function expectLocal(time: Locator, timeStyle: 'short' | 'medium' = 'short'): Promise<void> {
	const at = (await time.getAttribute('datetime')) ?? '';
	await expect(time).toHaveText(print(at, ZONE, timeStyle));
	await expect(time).toHaveAttribute('title', `${print(at, 'UTC', 'medium')} UTC`);
}

async function expectToCopy(page: Page): Promise<void> {
	const command = page.locator('.command').first();
	await command.getByRole('button', { name: /^Copy/ }).click();
	await expect(command.getByRole('button', { name: /^Copied/ })).toBeVisible();
	const copied = await page.evaluate(() => navigator.clipboard.readText());
	expect(copied).toBe(await command.locator('code').textContent());
	expect(copied).not.toBe('');
	await page.clock.runFor(2_000);
	await expect(command.getByRole('button', { name: /^Copy\b/ })).toBeVisible();
}

test('times are those of the viewer', async ({ page }) => {
	await page.goto(path());
	await expectLocal(page.getByRole('table').last().locator('time').first());
	await page.goto(path(`/${name}`));
	await expectLocal(page.locator('dl time').first(), 'medium');
	await page.goto(path('/log'));
	await expectLocal(page.getByRole('row').last().locator('time'), 'medium');
});

test('commands are copied', async ({ page }) => {
	await page.clock.install();
	await page.goto(path());
	await expectToCopy(page);
	await page.goto(path(`/${name}`));
	await expectToCopy(page);
});

test('links lead to the status page without the script of others', async ({ page }) => {
	await page.goto(path('/log'));
	await page.getByRole('navigation', { name: 'Backups' }).getByRole('link').first().click();
	await expect(page.getByRole('heading', { level: 1 })).toContainText('Never proven');
	expect(await page.evaluate(() => document.scripts.length)).toBe(1);
	await expectLocal(page.getByRole('table').last().locator('time').first());
	await page.goBack();
	await expect(page.getByRole('heading', { level: 1 })).toContainText('Audit log');
});

test.describe('without JavaScript', () => {
	test.use({ javaScriptEnabled: false });

	test('times are in UTC, and nothing offers to copy', async ({ page }) => {
		await page.goto(path());
		const time = page.getByRole('table').last().locator('time').first();
		const at = (await time.getAttribute('datetime')) ?? '';
		await expect(time).toHaveText(`${print(at, 'UTC', 'short')} UTC`);
		await expect(page.locator('.command').first()).toBeVisible();
		await expect(page.getByRole('button', { name: 'Copy' })).toHaveCount(0);
	});
});
