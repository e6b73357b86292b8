import { execFileSync } from 'node:child_process';
import { access, constants, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { evaluate } from './expressions.ts';
import { job, readWorkflow, scripts, WORKFLOWS } from './runner.ts';

const files = await readdir(WORKFLOWS);
const backup = await readWorkflow('backup.yml');
const ci = await readWorkflow('ci.yml');
const nightly = await readWorkflow('nightly.yml');

/** Minutes that a job may run, where an hour is not enough. */
const LONGEST: Record<string, number> = { 'backup.yml': 360, 'nightly.yml': 300 };

describe('the files', () => {
	test('a backup is made monthly, daily when one is due, and on demand', () => {
		expect(Object.keys(backup.on).sort()).toEqual(['schedule', 'workflow_dispatch']);
		const crons = (backup.on['schedule'] as { cron: string }[]).map(({ cron }) => cron);
		// Not on the hour, when GitHub is busiest, and on a day that exists in every month.
		expect(crons).toEqual([
			expect.stringMatching(/^\d?[13579] (1?\d|2[0-3]) ([1-9]|1\d|2[0-8]) \* \*$/),
			expect.stringMatching(/^\d?[13579] (1?\d|2[0-3]) \* \* \*$/),
		]);
		expect(job(backup, 'backup')).not.toHaveProperty('if');
		const when = job(backup, 'backup').steps.at(-1)?.env?.['BACKUP_WHEN'] ?? '';
		const on = (event: object) => evaluate(when.slice(3, -2), { github: { event } });
		expect(on({ schedule: crons[0] })).toBe('');
		expect(on({ schedule: crons[1] })).toBe('due');
		expect(on({})).toBe(''); // workflow_dispatch
	});

	test('running backups are never cancelled, outdated checks are', () => {
		expect(backup.concurrency).toEqual({ group: 'backup', 'cancel-in-progress': false });
		expect(ci.concurrency).toEqual({ group: 'ci-${{ github.ref }}', 'cancel-in-progress': true });
	});

	test('each job has only the permissions it needs', () => {
		expect(job(backup, 'backup').permissions).toEqual({ contents: 'read', 'id-token': 'write' });
		expect(job(backup, 'keep-alive').permissions).toEqual({ actions: 'write' });
		expect(job(ci, 'test').permissions).toEqual({ contents: 'read' });
		expect(job(ci, 'audit').permissions).toEqual({ contents: 'read' });
	});

	test('jobs that use secrets take them from the environment of the main branch', async () => {
		for (const file of files) {
			for (const { environment, steps } of Object.values((await readWorkflow(file)).jobs)) {
				const usesSecrets = JSON.stringify(steps).includes('secrets.');
				expect([file, environment]).toEqual([file, usesSecrets ? 'lifeboat' : undefined]);
			}
		}
	});

	test('one command checks every pull request and push to main, another the dependencies', () => {
		expect(ci.on).toEqual({ push: { branches: ['main'] }, pull_request: null });
		expect(scripts(ci)).toEqual(['bash .ci/run', 'npm audit --audit-level=low']);
	});

	test('all tests run at full length every night and on demand', () => {
		expect(Object.keys(nightly.on).sort()).toEqual(['schedule', 'workflow_dispatch']);
		expect(scripts(nightly)).toEqual(['bash .ci/run long']);
		expect(job(nightly, 'test').permissions).toEqual({ contents: 'read' });
	});

	test.for(files)('%s follows the rules for workflows', async (file) => {
		const workflow = await readWorkflow(file);
		expect(workflow.permissions).toEqual({});
		expect(workflow.concurrency?.group).toBeTruthy();
		for (const { permissions, 'timeout-minutes': timeout, steps } of Object.values(workflow.jobs)) {
			expect(permissions).toBeDefined();
			expect(timeout).toBeLessThanOrEqual(LONGEST[file] ?? 60);
			for (const step of steps) {
				if (step.uses) expect(step.uses).toMatch(/^[\w-]+\/[\w-]+@[0-9a-f]{40}$/);
				// Otherwise every later step could read the checkout's token from the folder.
				if (step.uses?.startsWith('actions/checkout@')) {
					expect(step.with).toMatchObject({ 'persist-credentials': false });
				}
				if (!step.run) continue;
				expect(step.run).not.toContain('${{'); // the expansion would run as code
				expect(step.shell ?? workflow.defaults?.run.shell).toBe('bash');
			}
		}
		const source = await readFile(join(WORKFLOWS, file), 'utf8');
		const pins = source.split('\n').filter((text) => text.includes('uses:'));
		for (const pin of pins) expect(pin).toMatch(/ # v\d+\.\d+\.\d+$/);
	});

	test('every script is valid bash', async () => {
		const workflows = await Promise.all(files.map(readWorkflow));
		const all = [...workflows.flatMap(scripts), await readFile('.ci/run', 'utf8')];
		expect(all.length).toBeGreaterThan(3);
		for (const script of all) execFileSync('bash', ['-n'], { input: script });
		expect(() => execFileSync('bash', ['-n'], { input: 'if', stdio: 'pipe' })).toThrow();
	});

	test('new versions of actions and packages are proposed', async () => {
		const { updates } = parse(await readFile('.github/dependabot.yml', 'utf8'));
		const ecosystems = updates.map((update: Record<string, string>) => update['package-ecosystem']);
		expect(ecosystems).toEqual(['github-actions', 'npm']);
	});

	test('.ci/run is executable', async () => {
		await access('.ci/run', constants.X_OK);
	});
});
