import { expect, type Page } from '@playwright/test';
import { rmSync } from 'node:fs';
import { openLocalFile } from '../local-database.ts';
import { expectAccessible, expectToFit, makeBackup, SECRET } from './dashboard.ts';
import { GRACE, type People, signIn, startPeople, test } from './people.ts';
import { buildTwoDatabases, STATS_ID } from './two-databases.ts';

// The dashboard of an app with two databases.

let all: People;
let built: string;

test.beforeAll(async () => {
	built = buildTwoDatabases();
	all = await startPeople({ TOTP_SECRET: SECRET, BACKUP_ADMINS: String(GRACE.id) }, built);
	using stats = openLocalFile(all.folder, STATS_ID);
	stats.exec('CREATE TABLE visits (id INTEGER PRIMARY KEY)');
});
test.afterAll(async () => {
	await all?.stop();
	rmSync(built, { recursive: true, force: true });
});

const heading = (page: Page) => page.getByRole('heading', { level: 1 });
const link = (page: Page, name: string) => page.getByRole('link', { name, exact: true });

async function expectOrder(page: Page, names: string[]): Promise<void> {
	await expect(page.getByRole('rowheader')).toHaveText(names);
}

test('begins with the worst, and backs each one up from its own page', async ({ page }) => {
	await signIn(all, page);
	const main = await makeBackup(all, page);
	await page.goto(`${all.app}/backups`);
	await expect(heading(page)).toContainText('No backup yet');
	await expectOrder(page, ['stats', 'main']);
	await expectAccessible(page);
	await expect(page.getByRole('button', { name: 'Back up now' })).toHaveCount(0);

	await link(page, 'main').click();
	await expect(heading(page)).toContainText('Never proven');
	await expect(page.locator(`a[href*="${encodeURIComponent(main)}"]`)).toHaveCount(1);
	await link(page, 'All databases').click();

	await link(page, 'stats').click();
	await expect(heading(page)).toContainText('No backup yet');
	await page.getByRole('button', { name: 'Back up now' }).click();
	await expect(page.getByText('The backup is complete').first()).toBeVisible();
	await expect(page).toHaveURL(`${all.app}/backups/run?database=stats`);
	await expectAccessible(page);
	await link(page, 'Drill or verify it').click();
	await expect(heading(page)).toContainText('full_backup_');
	await expect(page.getByRole('rowheader', { name: 'visits' })).toBeVisible();
	await page.getByRole('button', { name: 'Verify the files' }).click();
	await expect(page.getByRole('status').first()).toContainText('It is proven');

	await link(page, 'All databases').click();
	await expect(heading(page)).toContainText('Never proven');
	await expectOrder(page, ['main', 'stats']);
	await page.setViewportSize({ width: 360, height: 740 });
	await expectToFit(page);
});
