import { existsSync, readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { folderInRepository, type Project } from './project.ts';

/** The workflows of this repository, which the package carries too. */
const OURS = new URL('../../../.github/workflows/', import.meta.url);
const MANIFEST = new URL('../../../package.json', import.meta.url);

/** The workflows that an app gets. */
export const WORKFLOWS = ['backup.yml', 'restore-drill.yml'];

/** What an app's workflows differ in from ours. */
export interface Place {
	/** The command that installs the app's packages, Lifeboat among them. */
	install: string;
	/** The app's folder in its repository; empty if it is the root. */
	folder: string;
	/** The folder of its packages, relative to `folder`. */
	modules: string;
}

/** The text of a workflow for an app. */
export function appWorkflow(file: string, project: Project): string {
	const text = readFileSync(new URL(file, OURS), 'utf8');
	const folder = folderInRepository(project);
	return forApp(text, { install: installOf(project), folder, modules: modulesOf(project) });
}

/**
 * A workflow of this repository for an app that has Lifeboat as a package. Ours run TypeScript that is
 * checked out; an app's install the package first, by its lockfile, which pins every version by its hash.
 * No package runs a script then, and in a job that calls the app only Lifeboat's own files run: those
 * commands import no other package.
 */
export function forApp(text: string, { install, folder, modules }: Place): string {
	const where = `    defaults:\n      run:\n        working-directory: ${folder}\n`;
	return text
		.replaceAll('run: npm ci --ignore-scripts', `run: ${install}`)
		.replaceAll(
			/( +)node-version: 24\n(?!\s+- name: Install)/g,
			(line) => line + installStep(install),
		)
		.replaceAll(/node src\/cli\/commands\/([\w-]+)\.ts/g, 'npx --no lifeboat $1')
		.replaceAll(
			/node src\/cli\/workflow\/([\w-]+)\.ts/g,
			`node ${modules}/lifeboat/dist/cli/workflow/$1.js`,
		)
		.replaceAll('npm run --silent drill -- ', 'npx --no lifeboat drill ')
		.replaceAll('npm run drill -- ', 'npx lifeboat drill ')
		.replaceAll('docs/deploy.md sets it up', 'npx lifeboat deploy sets it up')
		.replaceAll(/^ {4}environment: lifeboat\n/gm, (line) => (folder ? line + where : line));
}

function installStep(install: string): string {
	return `
      # No script of a package runs, and below only Lifeboat's own files, which import no other package.
      - name: Install
        run: ${install}
`;
}

/** What installs the app's packages as its lockfile says, and runs none of their scripts. */
export function installOf({ folder, root }: Project): string {
	const has = (file: string) => [folder, root].some((place) => existsSync(join(place, file)));
	if (has('pnpm-lock.yaml')) return 'corepack pnpm install --frozen-lockfile --ignore-scripts';
	if (has('yarn.lock') && has('.yarnrc.yml'))
		return 'corepack yarn install --immutable --mode=skip-build';
	if (has('yarn.lock')) return 'corepack yarn install --frozen-lockfile --ignore-scripts';
	if (has('package-lock.json') || has('npm-shrinkwrap.json')) return 'npm ci --ignore-scripts';
	return `rm package.json && npm install --ignore-scripts lifeboat@${ownVersion()}`;
}

/** npm and yarn put the packages of a workspace into the repository's root. */
function modulesOf({ folder, root }: Project): string {
	const has = (place: string) => existsSync(join(place, 'node_modules/lifeboat'));
	const isAtRoot = !has(folder) && has(root);
	return isAtRoot ? `${relative(folder, root).split(sep).join('/')}/node_modules` : 'node_modules';
}

function ownVersion(): string {
	return (JSON.parse(readFileSync(MANIFEST, 'utf8')) as { version: string }).version;
}
