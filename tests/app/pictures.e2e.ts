import { expect, type Page } from '@playwright/test';
import { getPlatformProxy } from 'wrangler';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { mount } from '../../src/lib/mount.ts';
import { startBackup } from '../../src/lib/server/backup/index.ts';
import { verifyBackup } from '../../src/lib/server/backup/prove/prove.ts';
import { engineOf } from '../../src/lib/server/backup/settings.ts';
import { LONG } from '../counts.ts';
import { freshCode, SECRET } from './dashboard.ts';
import { GRACE, type People, signIn, startPeople, test } from './people.ts';

// The dashboard of an app that has been backed up for weeks: what it weighs, and how it looks. LIFEBOAT_PICTURES=1
// stores the pictures in the README and on the home page; otherwise they are only taken.
const PICTURES = process.env['LIFEBOAT_PICTURES'] === '1';

/** More of them take half a minute, which is worth it for the pictures and in long runs alone. */
const DAYS = LONG || PICTURES ? 40 : 12;
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

/** The most that the status page may ship, in bytes. */
const MOST_SCRIPT = 40_000;
const MOST_HTML = 100_000;
/** What the web.dev guides call good: milliseconds, and a score. */
const GOOD_LCP_MS = 2_500;
const GOOD_CLS = 0.1;

let all: People;

test.beforeAll(async () => {
	test.setTimeout(300_000);
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

/** When the largest part of the page was painted, in milliseconds, and how much moved while it loaded. */
function vitals(page: Page): Promise<{ lcp: number; cls: number }> {
	return page.evaluate(
		() =>
			new Promise((resolve) => {
				let cls = 0;
				const moved = (list: PerformanceObserverEntryList) => {
					for (const entry of list.getEntries() as (PerformanceEntry & { value: number })[])
						cls += entry.value;
				};
				new PerformanceObserver(moved).observe({ type: 'layout-shift', buffered: true });
				new PerformanceObserver((list) => {
					const lcp = list.getEntries().at(-1)?.startTime ?? Number.NaN;
					setTimeout(() => resolve({ lcp, cls }));
				}).observe({ type: 'largest-contentful-paint', buffered: true });
			}),
	);
}

test('the status page is light, is there at once, and stays where it is', async ({ page }) => {
	await page.setViewportSize({ width: 1200, height: 900 });
	await signIn(all, page);
	await page.goto('about:blank');
	let script = 0;
	const loaded: Promise<void>[] = [];
	page.on('response', (response) => {
		if (response.request().resourceType() !== 'script') return;
		loaded.push(response.body().then((body) => void (script += gzipSync(body).length)));
	});
	const response = await page.goto(`${all.app}/backups`, { waitUntil: 'networkidle' });
	await Promise.all(loaded);
	const html = gzipSync((await response?.body()) ?? '').length;
	const { lcp, cls } = await vitals(page);
	console.log(
		`The status page: ${script} bytes of script and ${html} of HTML with gzip, LCP ${Math.round(lcp)} ms, CLS ${cls.toFixed(4)}`,
	);
	expect(script).toBeGreaterThan(0);
	expect(script).toBeLessThanOrEqual(MOST_SCRIPT);
	expect(html).toBeLessThan(MOST_HTML);
	expect(lcp).toBeLessThan(GOOD_LCP_MS);
	expect(cls).toBeLessThan(GOOD_CLS);
	await expect(page.locator('script:not([src])')).toHaveCount(0);
});

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
		if (!PICTURES) continue;
		for (const folder of ['docs/images', 'static/images']) {
			await page.screenshot({ path: `${folder}/dashboard-${colorScheme}.png` });
		}
	}
});

test('prunes with a fresh code alone', async ({ page }) => {
	await signIn(all, page);
	await page.goto(`${all.app}/backups/retention`);
	const prune = page.getByRole('button', { name: 'Prune now' });
	await page.getByLabel('One-time code').fill(await freshCode(all));
	await prune.click();
	await expect(page.getByRole('status').first()).toContainText(/Marked [1-9]\d*, removed 0/);
	await page.getByLabel('One-time code').fill('000000');
	await prune.click();
	await expect(page.getByRole('alert')).toContainText('The code is not valid');
	await page.goto(`${all.app}/backups/log?operation=prune&caller=administrator`);
	await expect(page.getByRole('row')).toHaveCount(3);
});
