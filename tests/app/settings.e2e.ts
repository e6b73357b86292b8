import { expect } from '@playwright/test';
import { App } from './app.ts';
import { test } from './people.ts';
import { product } from './shared.ts';

test('without its settings the app says what is missing', async ({ page }) => {
	const vars = { AUTH_SECRET: 'set', TOTP_SECRET: 'A'.repeat(32) };
	const command = product() === 'worker' ? 'wrangler secret' : 'wrangler pages secret';
	const bare = new App(product());
	await bare.start(vars);
	try {
		const response = await page.goto(bare.url);
		expect(response?.status()).toBe(500);
		await expect(page.getByText('github_id_missing')).toBeVisible();
		await expect(page.getByText(`${command} put GITHUB_ID`)).toBeVisible();
		for (const path of ['/api/users', '/auth/session']) {
			const answer = await page.request.get(bare.url + path);
			expect(answer.status()).toBe(500);
			expect(await answer.json()).toMatchObject({ code: 'github_id_missing' });
		}
		// Backups work without the settings for signing in.
		expect((await page.request.get(`${bare.url}/api/backup`)).status()).toBe(401);
	} finally {
		await bare.stop();
	}
});
