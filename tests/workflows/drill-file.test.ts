import { describe, expect, test } from 'vitest';
import { SECRET } from './backup-run.ts';
import { drill, workflow } from './drill-run.ts';
import { evaluate, readWorkflow, runJob } from './runner.ts';

const ORIGIN = 'https://app.example.com';
const backup = await readWorkflow('backup.yml');

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
		expect(evaluate(drill.if ?? 'true', { github })).toBe(expected);
	});

	test('a running drill is never cancelled', () => {
		expect(workflow.concurrency).toEqual({ group: 'restore-drill', 'cancel-in-progress': false });
	});

	test('the drill may only read the repository and request tokens', () => {
		expect(drill.permissions).toEqual({ contents: 'read', 'id-token': 'write' });
	});

	test('packages are installed before they are needed, and install scripts see no secret', () => {
		const names = drill.steps.map(({ name, uses }) => name ?? uses?.split('@')[0]);
		expect(names).toEqual([
			'actions/checkout',
			'actions/setup-node',
			'Check the settings',
			'Install',
			'Drill the backup',
		]);
		const tokens = ['ACTIONS_ID_TOKEN_REQUEST_TOKEN', 'ACTIONS_ID_TOKEN_REQUEST_URL'];
		const without = tokens.map((name) => `-u ${name}`).join(' ');
		expect(drill.steps[3]).toEqual({ name: 'Install', run: `env ${without} npm ci` });
		expect(workflow).not.toHaveProperty('env');
		expect(drill).not.toHaveProperty('env');
	});

	test("with GitHub's tokens the drill only needs the secret that verifies manifests", async () => {
		const given = {
			vars: { BACKUP_URL: ORIGIN, BACKUP_OIDC_AUDIENCE: ORIGIN },
			env: { ACTIONS_ID_TOKEN_REQUEST_URL: 'https://github.example' },
		};
		const steps = drill.steps.slice(0, 3); // up to the check
		const without = await runJob({ ...drill, steps }, given);
		expect(without.errors).toEqual([expect.stringContaining('gh secret set BACKUP_MAC_KEY')]);
		for (const name of ['BACKUP_MAC_KEY', 'TOTP_SECRET']) {
			const run = await runJob({ ...drill, steps }, { ...given, secrets: { [name]: SECRET } });
			expect(run).toMatchObject({ exitCode: 0, output: '' });
		}
	});

	test('the settings are checked first', async () => {
		const run = await runJob(drill, {});
		expect(run.exitCode).not.toBe(0);
		expect(run.errors).toEqual([
			expect.stringContaining('TOTP_SECRET is missing'),
			expect.stringContaining('BACKUP_URL is missing'),
		]);
		expect(run.summary).toBe('');
	});
});
