import { expect } from '@playwright/test';
import { getPlatformProxy } from 'wrangler';
import { join } from 'node:path';
import { mount } from '../../src/lib/mount.ts';
import { startBackup } from '../../src/lib/server/backup/index.ts';
import { verifyBackup } from '../../src/lib/server/backup/prove/prove.ts';
import { engineOf } from '../../src/lib/server/backup/settings.ts';
import { SECRET } from './dashboard.ts';
import { GRACE, type People, signIn, startPeople, test } from './people.ts';

// The pictures in the README and on the home page: the dashboard of an app that has been backed up for weeks.
// LIFEBOAT_PICTURES=1 stores them; otherwise they are only taken.

const DAYS = 40;
const DAY_MS = 86_400_000;
const KEEP = { BACKUP_KEEP_DAILY: '7', BACKUP_KEEP_WEEKLY: '4', BACKUP_KEEP_MONTHLY: '12' };
const RECIPIENT = 'age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p';
const VARS = {
	...{ TOTP_SECRET: SECRET, BACKUP_MAC_KEY: 'a key of thirty-two characters, or more' },
	...{
		BACKUP_MAX_AGE_HOURS: '48',
		BACKUP_ADMINS: String(GRACE.id),
		BACKUP_AGE_RECIPIENTS: RECIPIENT,
	},
	...KEEP,
};

let all: People;

test.beforeAll(async () => {
	all = await startPeople(VARS);
	await liveThroughWeeks();
});
test.afterAll(() => all?.stop());

/** A backup a day, each verified, of a table that grows; one day nobody was there. */
async function liveThroughWeeks(): Promise<void> {
	const { env, dispose } = await getPlatformProxy<{ DB: D1Database; MY_BUCKET: R2Bucket }>({
		...{ persist: { path: join(all.folder, 'v3') }, envFiles: [], remoteBindings: false },
	});
	const now = Date.now() - 5 * 3_600_000;
	const clear = { ...VARS, BACKUP_AGE_RECIPIENTS: '' };
	await env.DB.prepare('CREATE TABLE orders (id INTEGER PRIMARY KEY, what TEXT)').run();
	for (let day = DAYS; day >= 0; day--) {
		const rows = `WITH n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${200 + day})`;
		await env.DB.prepare(
			`INSERT INTO orders (what) ${rows} SELECT hex(randomblob(40)) FROM n`,
		).run();
		if (day === 17 || day === 18) continue;
		let clock = now - day * DAY_MS;
		const engine = {
			...engineOf(mount().environment({ ...env, ...clear })),
			now: () => clock++,
		};
		const step = await startBackup(engine);
		if (day !== 9 && 'manifest' in step)
			await verifyBackup(engine, `${step.manifest.name}.manifest.json`);
	}
	await dispose();
}

test('the dashboard looks like this', async ({ page }) => {
	test.setTimeout(120_000);
	await page.setViewportSize({ width: 1200, height: 900 });
	await signIn(all, page);
	for (const colorScheme of ['light', 'dark'] as const) {
		await page.emulateMedia({ colorScheme });
		await page.goto(`${all.app}/backups`);
		await expect(page.getByRole('heading', { level: 1 })).toContainText('Proven');
		const picture = await page.screenshot();
		expect(picture.length).toBeLessThan(200_000);
		if (process.env['LIFEBOAT_PICTURES'] !== '1') continue;
		for (const folder of ['docs/images', 'static/images']) {
			await page.screenshot({ path: `${folder}/dashboard-${colorScheme}.png` });
		}
	}
});
