import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { LifeboatError, messageOf } from '../../lib/server/errors.ts';

/** Somebody's SvelteKit app, as far as `init` has to know it. */
export interface Project {
	/** The folder of its package.json. */
	folder: string;
	/** The folder of the git repository around it, where GitHub looks for workflows; else `folder`. */
	root: string;
	/** The package's name without a scope; empty if it has none. */
	name: string;
	/** Every package that it depends on, with the range. */
	dependencies: Record<string, string>;
	/** Its hooks relative to `folder`, such as `src/hooks.server.ts`, whether they exist or not. */
	hooks: string;
}

interface Manifest {
	name?: string;
	dependencies?: Record<string, string>;
	devDependencies?: Record<string, string>;
}

/** The endings of the hooks, in the order in which SvelteKit looks for them. */
const HOOKS = ['.ts', '.js', '/index.ts', '/index.js'].map((end) => `src/hooks.server${end}`);

/** The app in a folder. Throws `sveltekit_missing` (400) if there is none. */
export function readProject(folder: string): Project {
	const manifest = readManifest(join(folder, 'package.json'));
	const dependencies = { ...manifest?.devDependencies, ...manifest?.dependencies };
	if (!('@sveltejs/kit' in dependencies)) throw noSvelteKit();
	const usual = existsSync(join(folder, 'tsconfig.json')) ? HOOKS[0] : HOOKS[1];
	return {
		folder,
		root: repositoryOf(folder) ?? folder,
		name: manifest?.name?.replace(/^@[^/]*\//, '') ?? '',
		dependencies,
		hooks: HOOKS.find((file) => existsSync(join(folder, file))) ?? usual ?? '',
	};
}

/** Where the app lies in its repository, with slashes; empty if it is at the root. */
export function folderInRepository({ folder, root }: Project): string {
	return relative(root, folder).split(sep).join('/');
}

function readManifest(path: string): Manifest | null {
	if (!existsSync(path)) return null;
	try {
		return JSON.parse(readFileSync(path, 'utf8')) as Manifest;
	} catch (error) {
		throw new LifeboatError(`package.json is not valid JSON: ${messageOf(error)}.`, {
			code: 'sveltekit_missing',
			status: 400,
			hint: 'Correct it, and run this again. Nothing was changed.',
		});
	}
}

function repositoryOf(folder: string): string | null {
	if (existsSync(join(folder, '.git'))) return folder;
	const parent = dirname(folder);
	return parent === folder ? null : repositoryOf(parent);
}

function noSvelteKit(): LifeboatError {
	return new LifeboatError('There is no SvelteKit app here: no package.json with @sveltejs/kit.', {
		code: 'sveltekit_missing',
		status: 400,
		hint: "Run this in the app's folder. Nothing was changed.",
	});
}
