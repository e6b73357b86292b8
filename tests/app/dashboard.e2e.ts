import { expect } from '@playwright/test';
import {
	callApi,
	expectAccessible,
	expectToFit,
	freshCode,
	makeBackup,
	press,
	SECRET,
} from './dashboard.ts';
import { forgetGuesses } from './bucket.ts';
import { ADA, GRACE, type People, signIn, startPeople, test } from './people.ts';

let all: People;

test.describe.configure({ mode: 'serial' });
test.beforeAll(async () => {
	all = await startPeople({ TOTP_SECRET: SECRET, BACKUP_ADMINS: String(GRACE.id) });
});
test.afterAll(() => all?.stop());

const path = (rest = '') => `${all.app}/backups${rest}`;

test('leads from the first run to the first proven backup by keyboard alone', async ({ page }) => {
	await signIn(all, page);
	await page.goto(path());
	await expect(page.getByRole('heading', { level: 1 })).toContainText('No backup yet.');
	await expect(page.getByRole('heading', { name: 'To the first proven backup' })).toBeVisible();
	await expectAccessible(page);
	await press(page, 'Back up now');
	await expect(page.getByText('The backup is complete').first()).toBeVisible();
	await expectAccessible(page);
	await press(page, 'All backups');
	await expect(page.getByRole('heading', { level: 1 })).toContainText('Never proven');
	await expectAccessible(page);
	await page.getByRole('table').last().getByRole('link').first().focus();
	await page.keyboard.press('Enter');
	await expect(page.getByRole('heading', { level: 1 })).toContainText('full_backup_');
	await press(page, 'Verify the files');
	await expect(page.getByRole('status').first()).toContainText('It is proven');
	await expectAccessible(page);
	await press(page, 'Backups');
	await expect(page.getByRole('heading', { level: 1 })).toContainText('Proven');
	await expectAccessible(page);
	const health = await page.request.get(`${all.app}/api/backup/health`);
	expect(((await health.json()) as { healthy: boolean }).healthy).toBe(true);
});

test('names the person in the audit log, and shows it with filters', async ({ page }) => {
	await signIn(all, page);
	await page.goto(path('/log?caller=administrator&operation=verify'));
	await expect(page.getByRole('row')).toHaveCount(2);
	await expect(page.getByRole('row').last()).toContainText(String(GRACE.id));
	await expectAccessible(page);
});

test('downloads what is stored, byte for byte, and only with a code', async ({ page }) => {
	await signIn(all, page);
	const name = await makeBackup(all, page);
	await page.goto(path(`/${name}`));
	const file = await page.getByLabel('File').inputValue();
	const stored = await (await callApi(all, page, `/${file}`)).body();
	const form = page.locator('form', { has: page.getByLabel('File') });
	await form.getByLabel('One-time code').fill(await freshCode(all));
	const downloading = page.waitForEvent('download');
	await form.getByRole('button', { name: 'Download' }).click();
	const chunks: Buffer[] = [];
	for await (const chunk of await (await downloading).createReadStream())
		chunks.push(chunk as Buffer);
	expect(Buffer.concat(chunks).equals(stored)).toBe(true);
	await page.goto(path('/log?operation=fetch&caller=administrator'));
	await expect(page.getByRole('row').last()).toContainText('fetch');
	const address = path(`/${name}/download`);
	const send = (code: string, origin = all.app) =>
		page.request.post(address, { form: { file, code }, headers: { origin } });
	expect((await send('')).status()).toBe(401);
	expect((await send('000000')).status()).toBe(401);
	forgetGuesses(all.folder);
	expect((await send(await freshCode(all), 'https://evil.example')).status()).toBe(403);
	const fetched = await send(await freshCode(all, 'long'));
	expect(fetched.headers()).toMatchObject({
		'content-disposition': expect.stringMatching(/^attachment/),
		'cache-control': 'private, no-store',
		'x-content-type-options': 'nosniff',
		'content-security-policy': expect.stringContaining('sandbox'),
	});
});

test('pins with a note, refuses to delete, and unpins', async ({ page }) => {
	await signIn(all, page);
	const name = await makeBackup(all, page);
	await page.goto(path(`/${name}`));
	const form = (button: string) =>
		page.locator('form', { has: page.getByRole('button', { name: button, exact: true }) });
	await page.getByLabel('Note: why you keep it').fill('Before the <b>move</b>');
	await form('Pin this backup')
		.getByLabel('One-time code')
		.fill(await freshCode(all));
	await form('Pin this backup').getByRole('button').click();
	await expect(page.getByText('Pinned: nothing removes this backup.')).toBeVisible();
	await expect(page.getByText('Before the <b>move</b>').first()).toBeVisible();
	await form('Mark for removal').getByLabel('Type its name').fill(name);
	await form('Mark for removal')
		.getByLabel('One-time code')
		.fill(await freshCode(all));
	await form('Mark for removal').getByRole('button').click();
	await expect(form('Mark for removal').getByRole('alert')).toContainText('must stay');
	await expectAccessible(page);
	await form('Unpin')
		.getByLabel('One-time code')
		.fill(await freshCode(all));
	await form('Unpin').getByRole('button').click();
	await expect(page.getByText('Unpinned')).toBeVisible();
});

test('a session alone turns nothing off and removes nothing', async ({ page }) => {
	await signIn(all, page);
	const name = await makeBackup(all, page);
	const send = (address: string, form: Record<string, string> = {}) =>
		page.request.post(path(address), {
			form,
			headers: { origin: all.app, accept: 'application/json' },
		});
	for (const act of ['pin', 'unpin', 'remove', 'unmark']) {
		const answer = await send(`/${name}?/${act}`, { name, code: '' });
		expect(((await answer.json()) as { type: string; status: number }).status).toBe(401);
	}
	expect(await (await send('/retention?/prune')).json()).toMatchObject({ status: 401 });
	expect(await (await send('/access?/lift', { code: '123456' })).json()).toMatchObject({
		status: 403,
	});
	const deleted = await page.request.delete(`${all.app}/api/backup/${name}`);
	expect(deleted.status()).toBe(401);
});

test('refuses who is no administrator, and shows nothing', async ({ page }) => {
	await page.goto(path());
	expect(page.url()).toBe(`${all.app}/`);
	await signIn(all, page, ADA);
	for (const rest of [
		'',
		'/log',
		'/access',
		'/retention',
		'/run',
		'/full_backup_2026-11-22T21:52:00.000Z',
	]) {
		const refused = await page.goto(path(rest));
		expect(refused?.status()).toBe(403);
		await expect(page.getByText('not_administrator')).toBeVisible();
	}
	await expectAccessible(page);
});

test('fits a phone, in the dark too, on every page', async ({ page }) => {
	await page.setViewportSize({ width: 360, height: 740 });
	await page.emulateMedia({ colorScheme: 'dark' });
	await signIn(all, page);
	const name = await makeBackup(all, page);
	for (const rest of ['', '/log', '/access', '/retention', '/run', `/${name}`]) {
		const response = await page.goto(path(rest));
		expect(response?.headers()['cache-control']).toBe('private, no-store');
		await expectToFit(page);
		await expectAccessible(page);
	}
});

test.describe('without JavaScript', () => {
	test.use({ javaScriptEnabled: false });

	test('backs up and verifies', async ({ page }) => {
		await signIn(all, page);
		await page.goto(path());
		await page.getByRole('button', { name: 'Back up now' }).click();
		await expect(page.locator('noscript p')).toContainText('JavaScript is off');
		await page.getByRole('button', { name: 'Back up now' }).click();
		await expect(page).toHaveURL(path('/run'));
		await page.getByRole('main').getByRole('link').last().click();
		await expect(page.getByRole('heading', { level: 1 })).toContainText('backup_');
		await page.getByRole('button', { name: 'Verify the files' }).click();
		await expect(page.getByRole('status').first()).toContainText('It is proven');
	});
});
