import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** The result of a build, and its sources. */
const BUILT = '.svelte-kit/cloudflare/_worker.js';
const SOURCES = [
	'src',
	'static',
	'package.json',
	'package-lock.json',
	'svelte.config.js',
	'vite.config.ts',
	'wrangler.toml',
];

/** False if the current folder has no build, or one older than a source. */
export async function isBuilt(): Promise<boolean> {
	const built = await changedAt(BUILT);
	const files = await Promise.all(SOURCES.map(filesOf));
	const changes = await Promise.all(files.flat().map(changedAt));
	return changes.every((changed) => changed <= built);
}

async function filesOf(path: string): Promise<string[]> {
	const names = await readdir(path, { recursive: true }).catch(() => []); // a file, or nothing
	return [path, ...names.map((name) => join(path, name))];
}

/** Milliseconds since 1970; 0 if there is no such file. */
async function changedAt(path: string): Promise<number> {
	const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: 0 }));
	return mtimeMs;
}
