import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

/** Words that only the demo sign-in contains. */
const MARKERS = ['demo-sailor', 'demo sailor', 'Demo Sailor', '?/demo', 'demoEnvironment'];
const SOURCES = ['src/accounts/demo.ts', 'src/routes/+page.svelte'];
const BUILDS = ['.svelte-kit/output', '.svelte-kit/cloudflare'];

function contents(folder: string): string[] {
	return readdirSync(folder, { recursive: true, encoding: 'utf8' })
		.map((name) => join(folder, name))
		.filter((path) => statSync(path).isFile())
		.map((path) => readFileSync(path, 'utf8'));
}

test.for(MARKERS)('the source has "%s", so a build without it proves something', (marker) => {
	expect(SOURCES.map((path) => readFileSync(path, 'utf8')).join()).toContain(marker);
});

test.for(BUILDS)('nobody can sign in as the demo user in the production build %s', (folder) => {
	const files = contents(folder); // `npm run build` first
	// Finding the home page proves that the folder holds a build.
	expect(files.some((file) => file.includes('Sign in with GitHub'))).toBe(true);
	for (const marker of MARKERS) {
		expect(files.filter((file) => file.includes(marker))).toEqual([]);
	}
});
