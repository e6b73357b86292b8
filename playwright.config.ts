import { defineConfig } from '@playwright/test';
import { findChromium } from './tests/chromium.ts';

export default defineConfig({
	testDir: 'tests',
	globalSetup: './tests/app/shared.ts',
	testMatch: '*.e2e.ts',
	outputDir: 'test-results/browser', // is emptied first, and others write beside it
	workers: '100%', // each file runs a server of its own
	timeout: 60_000,
	expect: { timeout: 15_000 }, // machines of CI are slow and shared
	use: {
		// Snapshots of the page tell as much, and screenshots take a fifth of the time.
		trace: { mode: 'retain-on-failure', screenshots: false, snapshots: true, sources: true },
		// Playwright itself turns off Chromium's calls home and, for containers, its sandbox.
		launchOptions: { executablePath: findChromium() },
	},
});
