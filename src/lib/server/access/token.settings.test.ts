import { expect, test } from 'vitest';
import { AUDIENCE, WORKFLOW } from '../../../../tests/tokens.ts';
import { tokenSettings } from './token-settings.ts';

const complete = { BACKUP_OIDC_REPOSITORY_ID: '74', BACKUP_OIDC_AUDIENCE: AUDIENCE };

test.for([
	undefined,
	{},
	{ BACKUP_OIDC_REPOSITORY_ID: ' ', BACKUP_OIDC_AUDIENCE: '' },
	{
		BACKUP_OIDC_REF: 'refs/heads/x',
		BACKUP_OIDC_ISSUER: 'x',
	},
])('%o accepts no tokens', (env) => {
	expect(tokenSettings(env)).toBeNull();
});

test('the branch defaults to main and the issuer to GitHub', () => {
	expect(tokenSettings(complete)).toEqual({
		...{ repositoryId: '74', audience: AUDIENCE, ref: 'refs/heads/main' },
		...{ workflows: [], environment: null, mayFetch: false },
		issuer: 'https://token.actions.githubusercontent.com',
	});
	const BACKUP_OIDC_ISSUER = ' http://localhost:8080/_services/token ';
	const env = { ...complete, BACKUP_OIDC_REF: 'refs/heads/a/b', BACKUP_OIDC_ISSUER };
	expect(tokenSettings(env)).toMatchObject({
		...{ ref: 'refs/heads/a/b', issuer: 'http://localhost:8080/_services/token' },
	});
});

test('workflows, an environment and fetching are what is set', () => {
	const drill = WORKFLOW.replace('backup.yml', 'restore-drill.yaml');
	const settings = {
		...complete,
		BACKUP_OIDC_WORKFLOW: ` ${WORKFLOW}, ${drill}\n`,
		BACKUP_OIDC_ENVIRONMENT: ' lifeboat ',
		BACKUP_OIDC_FETCH: 'Yes',
	};
	expect(tokenSettings(settings)).toMatchObject({
		...{ workflows: [WORKFLOW, drill], environment: 'lifeboat', mayFetch: true },
	});
});

test.for([
	...['', '0', 'octo-org/octo-repo', '7 4', '-7', '7.0'].map((id) => ['REPOSITORY_ID', id]),
	...['', 'app.example.com', 'http://app.example.com', `${AUDIENCE}/`].map((a) => ['AUDIENCE', a]),
	...[`${AUDIENCE}/x`, 'https://a@b.test', 'ftp://b.test'].map((a) => ['AUDIENCE', a]),
	...['main', 'refs/heads/', 'refs/tags/v1', 'refs/heads/a b'].map((ref) => ['REF', ref]),
	...['github', 'http://issuer.test', 'https://issuer.test/'].map((url) => ['ISSUER', url]),
	...['https://issuer.test/?a', 'https://issuer.test/#a'].map((url) => ['ISSUER', url]),
	...['backup.yml', '.github/workflows/backup.yml', `${WORKFLOW} x`].map((w) => ['WORKFLOW', w]),
	...[WORKFLOW.replace(/@.*/, ''), WORKFLOW.replace('.yml', '')].map((w) => ['WORKFLOW', w]),
	['FETCH', '1'],
] as [string, string][])('BACKUP_OIDC_%s="%s" is refused', ([name, value]) => {
	const setting = `BACKUP_OIDC_${name}`;
	expect(() => tokenSettings({ ...complete, [setting]: value })).toThrow(
		expect.objectContaining({
			...{ code: `${setting.toLowerCase()}_invalid`, status: 500 },
			message: expect.stringContaining(setting),
		}),
	);
});
