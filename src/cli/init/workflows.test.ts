import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { parse } from 'yaml';
import { scripts, type Workflow } from '../../../tests/workflows/runner.ts';
import { appWorkflow, forApp, installOf, WORKFLOWS } from './workflows.ts';
import type { Project } from './project.ts';

const INSTALL = 'npm ci --ignore-scripts';
const ours = (file: string) => readFileSync(`.github/workflows/${file}`, 'utf8');
const place = { install: INSTALL, folder: '', modules: 'node_modules' };

let root: string;
beforeEach(() => {
	root = mkdtempSync(join(tmpdir(), 'lifeboat-workflows-'));
});
afterEach(() => rmSync(root, { recursive: true }));

function project(folder = root): Project {
	mkdirSync(folder, { recursive: true });
	return { folder, root, name: 'shop', dependencies: {}, hooks: '' };
}

/** A workflow of an app, with our commands again and without what only an app needs. */
function asOurs(text: string): Workflow {
	const workflow = parse(
		text
			.replaceAll(
				/node node_modules\/lifeboat\/dist\/cli\/workflow\/([\w-]+)\.js/g,
				'node src/cli/workflow/$1.ts',
			)
			.replaceAll('npx --no lifeboat drill ', 'npm run --silent drill -- ')
			.replaceAll(/npx --no lifeboat ([\w-]+)/g, 'node src/cli/commands/$1.ts'),
	) as Workflow;
	return workflow;
}

const withoutInstall = (workflow: Workflow) => {
	for (const job of Object.values(workflow.jobs)) {
		job.steps = job.steps.filter(({ name }) => name !== 'Install');
	}
	return workflow;
};

test.for(WORKFLOWS)("an app's %s is ours but for how it starts Lifeboat", (file) => {
	const theirs = forApp(ours(file), place);
	expect(withoutInstall(asOurs(theirs))).toEqual(withoutInstall(parse(ours(file))));
	expect(theirs).not.toMatch(/src\/cli|npm run|docs\//);
});

test.for(WORKFLOWS)(
	'in %s each job that runs Lifeboat installs it first, and runs no scripts of packages',
	(file) => {
		const { jobs } = parse(forApp(ours(file), place)) as Workflow;
		for (const { steps } of Object.values(jobs)) {
			const installs = steps.filter(({ run }) => run === INSTALL);
			const first = steps.findIndex(({ run }) => run?.includes('lifeboat'));
			expect(installs).toHaveLength(first === -1 ? 0 : 1);
			if (first !== -1) expect(steps.indexOf(installs[0] ?? {})).toBeLessThan(first);
		}
		for (const script of scripts(parse(forApp(ours(file), place)))) {
			execFileSync('bash', ['-n'], { input: script });
		}
	},
);

test('what the workflows run is in the package: commands, and files of src/cli/workflow', () => {
	const files = readdirSync('src/cli/workflow');
	const commands = readdirSync('src/cli/commands');
	const texts = WORKFLOWS.map((file) => forApp(ours(file), place)).join('\n');
	const names = (pattern: RegExp) => [...texts.matchAll(pattern)].map(([, name]) => `${name}.ts`);
	const programs = names(/dist\/cli\/workflow\/([\w-]+)\.js/g);
	expect(programs.length).toBeGreaterThan(3);
	expect(programs.filter((name) => !files.includes(name))).toEqual([]);
	const called = names(/npx --no lifeboat ([\w-]+)/g);
	expect(new Set(called)).toEqual(new Set(['backup.ts', 'drill.ts']));
	expect(called.filter((name) => !commands.includes(name))).toEqual([]);
});

test('an app in a folder of its repository runs there', () => {
	const app = project(join(root, 'apps/web'));
	mkdirSync(join(root, 'node_modules/lifeboat'), { recursive: true });
	const { jobs } = parse(appWorkflow('backup.yml', app)) as {
		jobs: Record<string, Record<string, unknown>>;
	};
	expect(jobs['backup']).toMatchObject({ defaults: { run: { 'working-directory': 'apps/web' } } });
	expect(jobs['keep-alive']).not.toHaveProperty('defaults');
	expect(appWorkflow('backup.yml', app)).toContain(
		'node ../../node_modules/lifeboat/dist/cli/workflow/',
	);
	mkdirSync(join(root, 'apps/web/node_modules/lifeboat'), { recursive: true });
	expect(appWorkflow('backup.yml', app)).toContain(
		'run: node node_modules/lifeboat/dist/cli/workflow/',
	);
});

test.for([
	[['package-lock.json'], INSTALL],
	[['pnpm-lock.yaml'], 'corepack pnpm install --frozen-lockfile --ignore-scripts'],
	[['yarn.lock'], 'corepack yarn install --frozen-lockfile --ignore-scripts'],
	[['yarn.lock', '.yarnrc.yml'], 'corepack yarn install --immutable --mode=skip-build'],
	[['bun.lock'], 'rm package.json && npm install --ignore-scripts lifeboat@'],
] as const)('with %j it installs with `%s`', ([files, command]) => {
	for (const file of files) writeFileSync(join(root, file), '');
	expect(installOf(project())).toContain(command);
	expect(installOf(project(join(root, 'apps/web')))).toContain(command);
});
