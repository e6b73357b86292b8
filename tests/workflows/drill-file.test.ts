import { describe, expect, test } from 'vitest';
import { SECRET } from './backup-run.ts';
import { workflow } from './drill-run.ts';
import { evaluate, expand } from './expressions.ts';
import { job, readWorkflow, runJob } from './runner.ts';

const ORIGIN = 'https://app.example.com';
const backup = await readWorkflow('backup.yml');
const fetch = job(workflow, 'fetch');
const drill = job(workflow, 'drill');

describe('the file', () => {
	test('a drill runs after each backup and on demand', () => {
		expect(Object.keys(workflow.on).sort()).toEqual(['workflow_dispatch', 'workflow_run']);
		expect(workflow.on['workflow_run']).toEqual({
			workflows: [backup.name],
			types: ['completed'],
		});
		expect(workflow.on['workflow_dispatch']).toMatchObject({
			inputs: { backup: { default: 'latest' } },
		});
	});

	test.for([
		['workflow_dispatch', undefined, undefined, true],
		['workflow_run', 'success', 'main', true],
		['workflow_run', 'failure', 'main', false],
		['workflow_run', 'cancelled', 'main', false],
		['workflow_run', 'success', 'feature', false],
	] as const)('on %s after %s on %s: %s', ([name, conclusion, branch, expected]) => {
		const github = {
			event_name: name,
			event: {
				repository: { default_branch: 'main' },
				workflow_run: conclusion && { conclusion, head_branch: branch },
			},
		};
		expect(evaluate(fetch.if ?? 'true', { github })).toBe(expected);
	});

	test('a running drill is never cancelled', () => {
		expect(workflow.concurrency).toEqual({ group: 'restore-drill', 'cancel-in-progress': false });
	});

	test('packages run in one job, which can neither call the app nor request a token', () => {
		const withPackages = Object.entries(workflow.jobs).filter(([, { steps }]) =>
			steps.some(({ run = '' }) => /\bnp[mx] /.test(run)),
		);
		expect(withPackages.map(([name]) => name)).toEqual(['drill']);
		expect(drill.permissions).toEqual({ contents: 'read' });
		expect(drill.steps.flatMap(({ env = {} }) => Object.keys(env)).sort()).toEqual([
			'AGE_IDENTITY',
			'ARTIFACT_KEY',
			'BACKUP',
			'BACKUP_MAC_KEY',
			'BACKUP_MAC_KEY_PREVIOUS',
			'BACKUP_MAC_KEY_PREVIOUS_UNTIL',
			'TOTP_SECRET',
			'TOTP_SECRET_PREVIOUS',
		]);
		const secrets = { BACKUP_MAC_KEY: 'mac', TOTP_SECRET: 'totp', TOTP_SECRET_PREVIOUS: 'old' };
		const { env = {} } = drill.steps.at(-1) ?? {};
		for (const name of ['TOTP_SECRET', 'TOTP_SECRET_PREVIOUS'] as const) {
			expect(expand(env[name] ?? '', { secrets })).toBe('');
			const older = { ...secrets, BACKUP_MAC_KEY: '' };
			expect(expand(env[name] ?? '', { secrets: older })).toBe(secrets[name]);
		}
	});

	test('their own scripts do not run, and no step sees more than it needs', () => {
		const install = drill.steps.find(({ name }) => name === 'Install');
		expect(install).toEqual({ name: 'Install', run: 'npm ci --ignore-scripts' });
		for (const one of [workflow, ...Object.values(workflow.jobs)]) {
			expect(one).not.toHaveProperty('env');
		}
	});

	test('the jobs that call the app run on Node alone', () => {
		for (const name of ['fetch', 'record']) {
			const { permissions, steps } = job(workflow, name);
			expect(permissions).toEqual({ contents: 'read', 'id-token': 'write' });
			const programs = steps.flatMap(({ run = '' }) => run.match(/^\s*\w+/gm) ?? []);
			const known = ['node', 'tar', 'openssl'];
			expect(programs.filter((program) => !known.includes(program.trim()))).toEqual([]);
			for (const { env = {} } of steps) expect(env).not.toHaveProperty('AGE_IDENTITY');
		}
	});

	test("with GitHub's tokens the drill only needs the secret that verifies manifests", async () => {
		const given = {
			vars: { BACKUP_URL: ORIGIN, BACKUP_OIDC_AUDIENCE: ORIGIN },
			env: { ACTIONS_ID_TOKEN_REQUEST_URL: 'https://github.example' },
		};
		const upToTheCheck = { ...fetch, steps: fetch.steps.slice(0, 3) };
		const without = await runJob(upToTheCheck, given);
		expect(without.errors).toEqual([expect.stringContaining('gh secret set BACKUP_MAC_KEY')]);
		for (const name of ['BACKUP_MAC_KEY', 'TOTP_SECRET']) {
			const run = await runJob(upToTheCheck, { ...given, secrets: { [name]: SECRET } });
			expect(run).toMatchObject({ exitCode: 0, output: '' });
		}
	});

	test('the settings are checked first', async () => {
		const run = await runJob(fetch, {});
		expect(run.exitCode).not.toBe(0);
		expect(run.errors).toEqual([
			expect.stringContaining('TOTP_SECRET is missing'),
			expect.stringContaining('BACKUP_URL is missing'),
		]);
		expect(run.summary).toBe('');
	});
});
