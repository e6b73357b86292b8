import { expect, type Page } from '@playwright/test';
import { openLocalFile } from '../local-database.ts';
import { expectAccessible, expectToFit, SECRET } from './dashboard.ts';
import { GRACE, type People, signIn, startPeople, test } from './people.ts';

// A backup that takes several steps, over the pages: the free plan's budget, and more tables than the queries
// that one call may make.

const TABLES = 120;
/** More than the backup has. */
const MOST_STEPS = 10;

let all: People;

test.describe.configure({ mode: 'serial' });
test.beforeAll(async () => {
	const vars = { TOTP_SECRET: SECRET, BACKUP_ADMINS: String(GRACE.id), BACKUP_PLAN: 'free' };
	all = await startPeople(vars);
	using database = openLocalFile(all.folder);
	for (let table = 1; table <= TABLES; table++) {
		database.exec(`CREATE TABLE t${table} (id INTEGER PRIMARY KEY, value TEXT)`);
		database.exec(`INSERT INTO t${table} (value) VALUES ('row of ${table}')`);
	}
});
test.afterAll(() => all?.stop());

const path = (rest = '') => `${all.app}/backups${rest}`;
const goOn = (page: Page) => page.getByRole('button', { name: 'Continue the backup now' });
const backUp = (page: Page) => page.getByRole('button', { name: 'Back up now' });
const waiting = (page: Page) => page.getByText('Waiting, the next step may begin in').first();
const complete = (page: Page) => page.getByText('The backup is complete').first();

test('goes on after a reload, and another page follows it to the end', async ({
	page,
	context,
}) => {
	let begun = 0;
	page.on('request', (request) => {
		if (request.url().includes('?/begin')) begun++;
	});
	await signIn(all, page);
	await page.goto(path());
	await backUp(page).click();
	await expect(waiting(page)).toBeVisible();
	await expect(page).toHaveURL(path('/run'));
	await page.reload();
	await expect(page.getByText('Step 2')).toBeVisible();
	await expectAccessible(page);
	expect(begun).toBe(1);
	const watcher = await context.newPage();
	await watcher.clock.install();
	await watcher.goto(path());
	await expect(watcher.getByText('Waiting, the next step').first()).toBeVisible();
	await watcher.getByRole('link', { name: 'Continue the backup' }).click();
	await expect(goOn(watcher)).toBeEnabled();
	for (let steps = 2; steps <= MOST_STEPS && !(await complete(page).isVisible()); steps++) {
		await page.reload({ waitUntil: 'networkidle' }); // so that script is there
		await goOn(page).click();
		await expect(waiting(page).or(complete(page)).first()).toBeVisible();
	}
	await expect(complete(page)).toBeVisible();
	await watcher.clock.runFor(5_000); // when it looks again
	await expect(complete(watcher)).toBeVisible();
	await watcher.getByRole('link', { name: 'Drill or verify it' }).click();
	await expect(watcher.getByRole('heading', { level: 1 })).toContainText('full_backup_');
	await page.getByRole('link', { name: 'All backups' }).click();
	await expect(page.getByRole('heading', { level: 1 })).toContainText('Never proven');
});

test('the page of a run that there is not fits a phone, and starts one', async ({ page }) => {
	await page.setViewportSize({ width: 360, height: 740 });
	await signIn(all, page);
	await page.goto(path('/run'));
	await expect(page.getByText('No backup is being made. The newest one:')).toBeVisible();
	await expectToFit(page);
	await expectAccessible(page);
	await backUp(page).click();
	await expect(waiting(page)).toBeVisible();
	await expect(page).toHaveURL(path('/run'));
});

test.describe('without JavaScript', () => {
	test.use({ javaScriptEnabled: false });

	test('a button takes each step', async ({ page }) => {
		await signIn(all, page);
		await page.goto(path());
		await page.getByRole('link', { name: 'Continue the backup' }).click();
		await expect(goOn(page)).toBeVisible();
		for (let steps = 2; steps <= MOST_STEPS && (await goOn(page).isVisible()); steps++) {
			await expect(page.locator('noscript p')).toContainText('JavaScript is off');
			await goOn(page).click();
			await expect(page).toHaveURL(path('/run'));
		}
		await expect(page.getByText('No backup is being made. The newest one:')).toBeVisible();
		await page.goto(path());
		await backUp(page).click();
		await expect(page.locator('noscript p')).toContainText('JavaScript is off');
		await backUp(page).click();
		await expect(waiting(page)).toBeVisible();
		await expect(page).toHaveURL(path('/run'));
	});
});
