import { expect, type Page, test } from '@playwright/test';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { readdirSync } from 'node:fs';
import { build, type Rolldown } from 'vite';
import { isTurn } from '../counts.ts';
import { axeOf, expectToFit } from '../app/dashboard.ts';
import { MISLEADING, type Part, STATES } from './states.ts';

// The components of the dashboard in a browser, each alone and in each of its states.

const ORIGIN = 'http://localhost'; // a secure context, so that the buttons that copy are there
const WIDTHS = [1280, 360];
const PARTS = Object.keys(STATES) as Part[];
const PAGE = `<!doctype html><html lang="en"><meta charset="utf-8"><title>Gallery</title>
<meta name="viewport" content="width=device-width"><link rel="stylesheet" href="/gallery.css">
<script type="module" src="/gallery.js"></script>`;
const TYPES: Record<string, string> = { css: 'text/css', js: 'text/javascript' };

test.describe.configure({ mode: 'parallel' });
// Failures say all, and a trace of these pages takes longer than the tests.
test.use({ trace: 'off' });

/** What was built, by path. */
const files = new Map<string, string>();

test.beforeAll(async () => {
	const built = await build({
		...{ configFile: false, publicDir: false, logLevel: 'warn' },
		plugins: [svelte({ configFile: false })],
		build: {
			...{ write: false, minify: false },
			rolldownOptions: {
				input: 'tests/components/gallery.ts',
				output: { entryFileNames: 'gallery.js', assetFileNames: 'gallery.[ext]' },
			},
		},
	});
	for (const file of (built as Rolldown.RolldownOutput).output) {
		files.set(`/${file.fileName}`, file.type === 'chunk' ? file.code : String(file.source));
	}
});

test('every component is here', () => {
	const components = readdirSync('src/lib/components').filter((name) => name.endsWith('.svelte'));
	expect(PARTS).toEqual(components.map((name) => name.slice(0, -'.svelte'.length)));
});

for (const part of PARTS) {
	test(part, async ({ page }) => {
		const errors: string[] = [];
		page.on('pageerror', (error) => errors.push(String(error)));
		page.on('console', (line) => {
			if (line.type() === 'error') errors.push(line.text());
		});
		await open(page, part);
		expect(errors).toEqual([]);
		expect(await misledIn(page)).toEqual([]);
		const ids = await page.locator('[id]').evaluateAll((all) => all.map(({ id }) => id));
		expect(ids, 'each id once').toEqual([...new Set(ids)]);
		for (const [at, width] of WIDTHS.entries()) {
			await page.setViewportSize({ width, height: 800 });
			await expectToFit(page);
			if (!isTurn(at)) continue;
			for (const colorScheme of ['light', 'dark'] as const) {
				await page.emulateMedia({ colorScheme });
				const found = await violationsIn(page, colorScheme === 'dark');
				expect(found, `${width} pixels wide, ${colorScheme}`).toEqual([]);
			}
		}
	});
}

/** Shows a component in all states, with nothing folded. */
async function open(page: Page, part: Part): Promise<void> {
	await page.route(`${ORIGIN}/**`, (route) => {
		const { pathname } = new URL(route.request().url());
		const type = TYPES[pathname.split('.')[1] ?? ''] ?? 'text/html';
		const body = files.get(pathname) ?? PAGE;
		return route.fulfill({ contentType: `${type}; charset=utf-8`, body });
	});
	await page.goto(`${ORIGIN}/${part}`);
	await page.evaluate(() => {
		for (const details of document.querySelectorAll('details')) {
			details.removeAttribute('name'); // lets only one of them be open
			details.open = true;
		}
	});
}

/** The states that let a text act, or show characters that mislead, in words or in attributes. */
function misledIn(page: Page): Promise<string[]> {
	return page.locator('[data-state]').evaluateAll((states, misleading) => {
		const textsOf = (element: Element) =>
			['title', 'aria-label'].map((name) => element.getAttribute(name) ?? '');
		const pattern = new RegExp(misleading, 'u');
		return states
			.filter((state) => {
				const inner = [...state.querySelectorAll('*')].flatMap(textsOf);
				const texts = [state.textContent, ...inner];
				return state.querySelector('img, script') || texts.some((text) => pattern.test(text));
			})
			.map((state) => String(state.getAttribute('data-state')));
	}, MISLEADING);
}

/** What axe finds, with the states in which it is. In the dark only colours are other ones. */
async function violationsIn(page: Page, isDark: boolean): Promise<string[]> {
	// The states of a component are on one page with the same labels.
	// Once it is loaded, it stays: loading it takes as long as its run.
	const isLoaded = await page.evaluate(() => 'axe' in window);
	const axe = axeOf(page, isLoaded ? 'void 0' : undefined).disableRules('landmark-unique');
	const { violations } = await (isDark ? axe.withRules('color-contrast') : axe).analyze();
	const found = violations.flatMap(({ id, nodes }) =>
		nodes.map(({ html, target }) => ({ text: `${id}: ${html}`, target: String(target) })),
	);
	return page.evaluate((all) => {
		const stateOf = (target: string) => document.querySelector(target)?.closest('[data-state]');
		return all.map(({ text, target }) => `${stateOf(target)?.getAttribute('data-state')}: ${text}`);
	}, found);
}
