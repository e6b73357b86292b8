import { expect, type Page } from '@playwright/test';
import { MAX_WRONG } from '../../src/lib/server/access/lockout.ts';
import { openLocalFile } from '../local-database.ts';
import { openBucket } from './bucket.ts';
import {
	callApi,
	expectAccessible,
	expectToFit,
	freshCode,
	makeBackup,
	SECRET,
} from './dashboard.ts';
import { GRACE, type People, signIn, startPeople, test } from './people.ts';

// The dashboard while something is wrong, or going on.

const NAME = 'full_backup_2026-11-22T21:52:00.000Z';
const HARMFUL = '<img src=x onerror=alert(1)>\u202e"\'&lt;';

let all: People;

test.beforeAll(async () => {
	all = await startPeople({ TOTP_SECRET: SECRET, BACKUP_ADMINS: String(GRACE.id) });
});
test.afterAll(() => all?.stop());

const path = (rest = '') => `${all.app}/backups${rest}`;
const heading = (page: Page) => page.getByRole('heading', { level: 1 });

function query(sql: string): void {
	using database = openLocalFile(all.folder);
	database.exec(sql);
}

async function put(key: string, value: object): Promise<void> {
	await using opened = await openBucket(all.folder);
	await opened.bucket.put(key, JSON.stringify(value));
}

async function remove(key: string): Promise<void> {
	await using opened = await openBucket(all.folder);
	await opened.bucket.delete(key);
}

test('a failing backup says why, and what to do', async ({ page }) => {
	await signIn(all, page);
	query('CREATE VIRTUAL TABLE places USING fts4 (name)');
	await page.goto(path());
	await page.getByRole('button', { name: 'Back up now' }).click();
	await expect(page.getByText('The backup failed: database_error').first()).toBeVisible();
	await expectAccessible(page);
	await page.goto(path());
	await expect(heading(page)).toContainText('No backup yet. Tries have been failing');
	await expectAccessible(page);
	query('DROP TABLE places');
	await makeBackup(all, page);
	query('CREATE VIRTUAL TABLE places USING fts4 (name)');
	expect((await callApi(all, page, '', { method: 'POST' })).status()).toBe(500);
	await page.goto(path());
	await expect(heading(page)).toContainText('Backups have been failing');
	await expect(page.getByText('database_error').first()).toBeVisible();
	await expectAccessible(page);
	query('DROP TABLE places');
});

test('a running backup is shown, also after a reload, and another one waits', async ({ page }) => {
	await signIn(all, page);
	const now = Date.now();
	const name = `full_backup_${new Date(now).toISOString()}`;
	await put('lifeboat.lock', { name, until: now + 300_000 });
	const button = page.getByRole('button', { name: 'Back up now' });
	await page.goto(path());
	await expect(page.getByText('Backing up').first()).toBeVisible();
	await expect(button).toHaveCount(0);
	await expectAccessible(page);
	await page.clock.install();
	await page.getByRole('link', { name: 'Follow it live' }).click();
	for (let loads = 0; loads < 2; loads++) {
		await expect(page.getByText('Backing up').first()).toBeVisible();
		await expect(button).toHaveCount(0);
		await expectAccessible(page);
		await page.reload();
	}
	await remove('lifeboat.lock');
	await page.clock.runFor(5_000); // when it looks again
	await expect(button).toBeEnabled();
	await page.goto(path());
	await expect(button).toBeEnabled();
});

test('a full backup that others need cannot be deleted', async ({ page }) => {
	await signIn(all, page);
	await makeBackup(all, page);
	const response = await callApi(all, page);
	const { backups } = (await response.json()) as {
		backups: { name: string; parent: string | null }[];
	};
	const child = backups.find(({ parent }) => parent !== null);
	await page.goto(path(`/${child?.parent ?? ''}`));
	await expect(page.getByText('These backups cannot be restored without this one')).toBeVisible();
	await expect(page.getByRole('link', { name: child?.name }).first()).toBeVisible();
	await expect(page.getByRole('button', { name: 'Mark for removal' })).toHaveCount(0);
	await expectAccessible(page);
	const form = { name: child?.parent ?? '', code: await freshCode(all) };
	const address = path(`/${child?.parent ?? ''}?/remove`);
	const headers = { origin: all.app, accept: 'application/json' };
	const refused = await page.request.post(address, { form, headers });
	expect(await refused.text()).toContain('backup_needed');
});

test('the whole of a differential is downloaded', async ({ page }) => {
	await signIn(all, page);
	const response = await callApi(all, page);
	const { backups } = (await response.json()) as { backups: { name: string; files: string[] }[] };
	const found = backups.find((one) => one.name.startsWith('incremental'));
	const { name, files } = found ?? { name: '', files: [] };
	const file = files[0] ?? '';
	const whole = await (await callApi(all, page, `/${file}`)).body();
	const form = { file, code: await freshCode(all) };
	const address = path(`/${name}/download`);
	const fetched = await page.request.post(address, { form, headers: { origin: all.app } });
	expect(Buffer.from(await fetched.body()).equals(whole)).toBe(true);
});

test('the lockout is shown, and only the long code lifts it', async ({ page }) => {
	await signIn(all, page);
	for (let i = 1; i <= MAX_WRONG; i++) {
		const address = `198.51.100.${i}`;
		const headers = { Authorization: 'Bearer 000000', 'CF-Connecting-IP': address };
		await page.request.get(`${all.app}/api/backup`, { headers });
	}
	await page.goto(path());
	await expect(page.getByText('Six-digit codes are locked out').first()).toBeVisible();
	await page.goto(path('/access'));
	await expect(page.getByText('Locked until')).toBeVisible();
	await expect(page.getByText('198.51.100.1', { exact: true })).toBeVisible();
	await expectAccessible(page);
	await page.getByLabel('Long code').fill(await freshCode(all));
	await page.getByRole('button', { name: 'Lift the lockout' }).click();
	await expect(page.getByRole('alert')).toContainText('Six digits cannot lift the lockout');
	await page.getByLabel('Long code').fill(await freshCode(all, 'long'));
	await page.getByRole('button', { name: 'Lift the lockout' }).click();
	await expect(page.getByText('No wrong code was sent')).toBeVisible();
});

test('names and texts from anywhere are harmless', async ({ page }) => {
	await signIn(all, page);
	query(`CREATE TABLE "${HARMFUL.replaceAll('"', '""')}" (id INTEGER PRIMARY KEY)`);
	query(`CREATE TABLE "${'x'.repeat(10_000)}" (id INTEGER PRIMARY KEY)`);
	query(`UPDATE users SET name = '${HARMFUL.replaceAll("'", "''")}'`);
	const name = await makeBackup(all, page);
	await page.setViewportSize({ width: 360, height: 740 });
	for (const rest of ['', `/${name}`, '/log', '/retention']) {
		await page.goto(path(rest));
		await expect(page.locator('img[src="x"]')).toHaveCount(0);
		await expectToFit(page);
		await expectAccessible(page);
	}
	await page.goto(path(`/${name}`));
	await expect(page.getByText('\\u{202e}').first()).toBeVisible();
	for (const rest of [`/${encodeURIComponent(HARMFUL)}`, `/${'x'.repeat(5_000)}`, '/..%2f']) {
		expect((await page.goto(path(rest)))?.status()).toBe(404);
		await expect(page.locator('img[src="x"]')).toHaveCount(0);
	}
});

test('an administrator signs in again after twelve hours', async ({ page }) => {
	await signIn(all, page);
	const ends = new Date(Date.now() + (30 * 24 - 13) * 3_600_000).toISOString();
	query(`UPDATE sessions SET expires = '${ends}'`);
	for (const rest of ['', '/log', '/access', '/retention', '/run', `/${NAME}`]) {
		expect((await page.goto(path(rest)))?.status()).toBe(401);
		await expect(page.getByText('session_too_old')).toBeVisible();
	}
	await page.getByRole('button', { name: 'Sign out' }).click();
	await signIn(all, page);
	expect((await page.goto(path()))?.status()).toBe(200);
});

test('an overdue backup alarms', async ({ page }) => {
	const vars = { TOTP_SECRET: SECRET, BACKUP_ADMINS: String(GRACE.id) };
	const late = await startPeople({ ...vars, BACKUP_MAX_AGE_HOURS: '0.000001' });
	try {
		await signIn(late, page);
		await makeBackup(late, page);
		await page.goto(`${late.app}/backups`);
		await expect(heading(page)).toContainText('Overdue.');
		await expectAccessible(page);
		const health = await page.request.get(`${late.app}/api/backup/health`);
		expect(health.status()).toBe(503);
	} finally {
		await late.stop();
	}
});
