import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { check, newIssuer, NOW, token } from '../../../../tests/issuer.ts';
import { type Claims, WORKFLOW } from '../../../../tests/tokens.ts';
import { requireFetch } from './token.ts';
import { tokenSettings } from './token-settings.ts';

// Which workflow and environment a run must have, and what its token may do.

beforeEach(newIssuer);
afterEach(() => vi.useRealTimers());

const DRILL = WORKFLOW.replace('backup.yml', 'restore-drill.yml');
const OTHER = WORKFLOW.replace('backup.yml', 'other.yml');

const passes = async (claims: Claims, changes: object) =>
	expect(await check(await token(claims), NOW, changes)).toMatchObject({ id: expect.any(String) });

async function isRefused(claims: Claims, changes: object, setting: string): Promise<void> {
	await expect(check(await token(claims), NOW, changes)).rejects.toMatchObject({
		...{ code: 'token_not_allowed', status: 403 },
		hint: expect.stringContaining(setting),
	});
}

describe('with BACKUP_OIDC_WORKFLOW', () => {
	const settings = { workflows: [DRILL, WORKFLOW] };

	test.for<Claims>([
		{},
		{ workflow_ref: DRILL, job_workflow_ref: DRILL },
		{ job_workflow_ref: undefined },
		{ job_workflow_ref: DRILL },
	])('a run of a named workflow passes: %o', (claims) => passes(claims, settings));

	test.for<Claims>([
		{ workflow_ref: OTHER, job_workflow_ref: OTHER },
		{ workflow_ref: OTHER }, // calls the named one
		{ job_workflow_ref: OTHER }, // a job of another one that the named one calls
		{ job_workflow_ref: 'evil/repo/.github/workflows/backup.yml@refs/heads/main' },
		{ job_workflow_ref: '' },
		{ workflow_ref: WORKFLOW.replace('main', 'mine') },
		{ workflow_ref: `${WORKFLOW}2` },
		{ workflow_ref: [WORKFLOW] },
		{ workflow_ref: undefined },
		{ workflow_ref: undefined, job_workflow_ref: undefined },
	])('a run of another workflow is refused: %o', (claims) =>
		isRefused(claims, settings, 'BACKUP_OIDC_WORKFLOW'),
	);

	test('unset, any workflow of the branch passes', () =>
		passes({ workflow_ref: OTHER, job_workflow_ref: undefined }, {}));
});

describe('with BACKUP_OIDC_ENVIRONMENT', () => {
	const settings = { environment: 'lifeboat' };

	test('a job in that environment passes', () => passes({ environment: 'lifeboat' }, settings));

	test.for<Claims>([{}, { environment: 'staging' }, { environment: '' }, { environment: null }])(
		'another job is refused: %o',
		(claims) => isRefused(claims, settings, 'BACKUP_OIDC_ENVIRONMENT'),
	);

	test('unset, a job in any environment passes', () => passes({ environment: 'staging' }, {}));
});

test('a token may fetch only where that is set', () => {
	const env = { BACKUP_OIDC_REPOSITORY_ID: '74', BACKUP_OIDC_AUDIENCE: 'https://app.example.com' };
	const refused = expect.objectContaining({ code: 'token_may_not_fetch', status: 403 });
	expect(() => requireFetch(null)).toThrow(refused);
	expect(() => requireFetch(tokenSettings(env))).toThrow(refused);
	requireFetch(tokenSettings({ ...env, BACKUP_OIDC_FETCH: 'yes' }));
});
