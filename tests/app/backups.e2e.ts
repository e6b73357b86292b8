import { expect, type Page } from '@playwright/test';
import { MAX_WRONG } from '../../src/lib/server/access/lockout.ts';
import { TOTP } from '../../src/lib/totp.js';
import { ADA, GRACE, type People, signIn, startPeople, test } from './people.ts';

const SECRET = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ';
const PHONE = { width: 375, height: 667 };

let all: People;

test.beforeAll(async () => {
	all = await startPeople({ TOTP_SECRET: SECRET, BACKUP_ADMINS: `7 ${GRACE.id}` });
});
test.afterAll(() => all?.stop());

const path = () => `${all.app}/backups`;

/** Calls the backup API from an address. */
async function call(page: Page, code: string, address: string): Promise<number> {
	const headers = { Authorization: `Bearer ${code}`, 'CF-Connecting-IP': address };
	return (await page.request.get(`${all.app}/api/backup`, { headers })).status();
}

const rightCode = () => new TOTP(SECRET).generateTOTP(Date.now() / 1000);

/** Guesses until the API is locked. */
async function lock(page: Page): Promise<void> {
	for (let i = 1; i <= MAX_WRONG; i++) await call(page, '000000', `198.51.100.${i}`);
	expect(await call(page, await rightCode(), '192.0.2.1')).toBe(429);
}

test('an administrator sees who guessed, and lifts the lockout', async ({ page }) => {
	await lock(page);
	await signIn(all, page);
	await page.getByRole('link', { name: 'Access to the backups' }).click();
	await expect(page.getByRole('status')).toContainText('Locked until');
	await expect(page.getByRole('row')).toHaveCount(MAX_WRONG + 1);
	await expect(page.getByText('198.51.100.1', { exact: true })).toBeVisible();
	await page.getByRole('button', { name: 'Lift the lockout' }).click();
	await expect(page.getByRole('status')).toContainText('Open.');
	await expect(page.getByRole('button', { name: 'Lift the lockout' })).toHaveCount(0);
	expect(await call(page, await rightCode(), '192.0.2.1')).toBe(200);
	const headers = { Authorization: `Bearer ${await rightCode()}` };
	const journal = await page.request.get(`${all.app}/api/backup/journal`, { headers });
	expect((await journal.json()).entries).toContainEqual(
		expect.objectContaining({
			operation: 'lift_lock',
			caller: expect.objectContaining({ kind: 'administrator', account: String(GRACE.id) }),
		}),
	);
});

test('only administrators may lift the lockout', async ({ page }) => {
	await page.goto(path());
	expect(page.url()).toBe(`${all.app}/`);
	await signIn(all, page, ADA);
	await expect(page.getByRole('link', { name: 'Access to the backups' })).toHaveCount(0);
	const refused = await page.goto(path());
	expect(refused?.status()).toBe(403);
	await expect(page.getByText('not_administrator')).toBeVisible();
	const form = { headers: { origin: all.app }, form: {} };
	await lock(page);
	expect((await page.request.post(`${path()}?/lift`, form)).status()).toBe(403);
	expect(await call(page, await rightCode(), '192.0.2.1')).toBe(429);
});

test('the page fits a phone', async ({ page }) => {
	await page.setViewportSize(PHONE);
	await call(page, '000000', '2001:db8:1234:5678:9abc:def0:1234:5678');
	await signIn(all, page);
	await page.goto(path());
	const width = () => page.evaluate(() => document.documentElement.scrollWidth <= innerWidth);
	expect(await width()).toBe(true);
});

test.describe('without JavaScript', () => {
	test.use({ javaScriptEnabled: false });

	test('the lockout can be lifted with the keyboard', async ({ page }) => {
		await signIn(all, page);
		await page.goto(path());
		await page.getByRole('button', { name: /Lift the lockout|Forget the wrong codes/ }).focus();
		await page.keyboard.press('Enter');
		await expect(page.getByRole('status')).toContainText('No wrong code was sent');
	});
});
