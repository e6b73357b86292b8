import { spawnSync } from 'node:child_process';
import { chromium } from '@playwright/test';

/** Paths at which distributions and Google's own packages install it. */
const USUAL_PLACES = [
	'/usr/bin/chromium-headless-shell', // which takes two thirds of the time
	'/usr/bin/chromium',
	'/usr/bin/chromium-browser',
	'/usr/bin/google-chrome',
	'/usr/bin/google-chrome-stable',
	'/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
];

/** Commands that install it, the least intrusive first. */
const INSTALLERS = [
	'npx playwright install chromium',
	'apt-get update && apt-get install -y chromium-headless-shell',
	'sudo -n apt-get update && sudo -n apt-get install -y chromium-headless-shell',
];

const START_TIMEOUT_MS = 10_000;
const INSTALL_TIMEOUT_MS = 10 * 60_000;

/**
 * The path of a Chromium that starts: the one in CHROMIUM_PATH, the system's, Playwright's own.
 * Undefined when there is none.
 */
export function findChromium(): string | undefined {
	const paths = [process.env['CHROMIUM_PATH'], ...USUAL_PLACES, chromium.executablePath()];
	return paths.find((path) => path && starts(path));
}

// That the file exists is not enough: Ubuntu's chromium-browser is a script that only asks you to
// install a snap, and Playwright's download lacks libraries on a bare system.
function starts(path: string): boolean {
	return spawnSync(path, ['--version'], { timeout: START_TIMEOUT_MS }).status === 0;
}

function installChromium(): string | undefined {
	for (const command of INSTALLERS) {
		console.error(`No Chromium found; trying: ${command}`);
		// Standard output carries only the path.
		spawnSync(command, { shell: true, stdio: ['ignore', 2, 2], timeout: INSTALL_TIMEOUT_MS });
		const path = findChromium();
		if (path) return path;
	}
}

function main(): void {
	const path = findChromium() ?? installChromium();
	if (path) return console.log(path);
	console.error(
		'The browser tests need Chromium and it could not be installed: install it, or set CHROMIUM_PATH to one.',
	);
	process.exitCode = 1;
}

if (import.meta.main) main();
