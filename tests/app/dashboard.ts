import { expect, type Page } from '@playwright/test';
import AxeBuilder from '@axe-core/playwright';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { TOTP } from '../../src/lib/totp.js';
import { forgetCodes } from './bucket.ts';
import type { People } from './people.ts';

// What the tests of the dashboard share.

export const SECRET = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ';

/** A code that was not used, in either form. */
export async function freshCode({ folder }: People, form: 'six' | 'long' = 'six'): Promise<string> {
	forgetCodes(folder);
	const totp = new TOTP(SECRET);
	const seconds = Date.now() / 1000;
	return form === 'six' ? totp.generateTOTP(seconds) : totp.generateLongCode(seconds);
}

/** Calls the backup API with a code. */
export async function callApi(
	all: People,
	page: Page,
	path = '',
	options: { method?: string; data?: object } = {},
) {
	const code = await freshCode(all, 'long');
	const headers = { Authorization: `Bearer ${code}` };
	return page.request.fetch(`${all.app}/api/backup${path}`, { headers, ...options });
}

/** Makes a backup over the API, and returns its name. */
export async function makeBackup(all: People, page: Page): Promise<string> {
	const response = await callApi(all, page, '', { method: 'POST' });
	expect(response.status()).toBe(201);
	return ((await response.json()) as { backup: { name: string } }).backup.name;
}

/** axe for a page. Its own package loads a file that is twice as long. */
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** axe, with the rules of WCAG 2.2 AA and good practice. `axeSource` loads it. */
export function axeOf(page: Page, axeSource = AXE): AxeBuilder {
	const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
	return new AxeBuilder({ page, axeSource })
		.options({ resultTypes: ['violations'] })
		.withTags(tags)
		.setLegacyMode(); // no frames here: a page of its own to join their results takes as long as the rest
}

/** Expects that axe finds nothing on a page, by WCAG 2.2 AA. */
export async function expectAccessible(page: Page): Promise<void> {
	const { violations } = await axeOf(page).analyze();
	const found = violations.map(
		({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`,
	);
	expect(found).toEqual([]);
}

/** Expects that nothing of a page is beside the screen. */
export async function expectToFit(page: Page): Promise<void> {
	const beside = await page.evaluate(() => {
		const { clientWidth, scrollWidth } = document.documentElement;
		const isBeside = (element: Element) => element.getBoundingClientRect().right > clientWidth + 1;
		const all = scrollWidth > clientWidth ? [...document.querySelectorAll('body *')] : [];
		const stateOf = (element: Element) =>
			element.closest('[data-state]')?.getAttribute('data-state') ?? '';
		return all
			.filter(isBeside)
			.slice(0, 10)
			.map((element) => `${stateOf(element)} ${element.outerHTML.slice(0, 120)}`);
	});
	expect(beside, page.url()).toEqual([]);
}

/** Goes on with Tab until an element has the focus, and presses a key. */
export async function press(page: Page, name: string | RegExp, key = 'Enter'): Promise<void> {
	const target = page.getByRole('button', { name }).or(page.getByRole('link', { name })).first();
	await expect(target).toBeVisible();
	const found = await target.elementHandle(); // once: to look for it by its role takes long
	for (let tabs = 0; tabs < 150; tabs++) {
		if (await found?.evaluate((element) => element === document.activeElement)) {
			return page.keyboard.press(key);
		}
		await page.keyboard.press('Tab');
	}
	throw new Error(`Tab does not lead to ${String(name)}.`);
}
