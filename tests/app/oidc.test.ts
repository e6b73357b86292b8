import { afterAll, beforeAll, expect, test } from 'vitest';
import { cells, job, readWorkflow, type Run, runJob } from '../workflows/runner.ts';
import { json, listen } from '../stand-in.ts';
import { type Claims, type IssuerKey, makeKey, mint, REPOSITORY_ID } from '../tokens.ts';
import { App } from './app.ts';

// The workflow calls the built app with tokens instead of secrets. A local server stands in for
// GitHub's runner, which hands out the tokens, and for GitHub's issuer, which publishes the keys.

const AUDIENCE = 'https://app.example.com';

let key: IssuerKey;
let github: Awaited<ReturnType<typeof listen>>;
let app: App;
/** Claims that replace those of a valid token from now on. */
let claims: Claims = {};

beforeAll(async () => {
	key = await makeKey('one');
	github = await listen(async (request, response) => {
		if (request.url === '/.well-known/jwks') {
			return json(200, { keys: [key.jwk] })(request, response);
		}
		const asked = new URL(request.url ?? '', github.url);
		const aud = asked.searchParams.get('audience');
		const now = Math.floor(Date.now() / 1000);
		const value = await mint(key, github.url, now, { aud, jti: crypto.randomUUID(), ...claims });
		json(200, { value })(request, response);
	});
	app = new App();
	await app.start({
		TOTP_SECRET: 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ',
		BACKUP_API_KEY: 'a-key-of-at-least-thirty-two-characters',
		BACKUP_OIDC_REPOSITORY_ID: REPOSITORY_ID,
		BACKUP_OIDC_AUDIENCE: AUDIENCE,
		BACKUP_OIDC_ISSUER: github.url,
	});
});

afterAll(async () => {
	await app?.stop();
	await github?.[Symbol.asyncDispose]();
});

/** Runs the job of backup.yml as GitHub would, without any secret. */
async function backUp(): Promise<Run> {
	return runJob(job(await readWorkflow('backup.yml'), 'backup'), {
		vars: { BACKUP_URL: app.url, BACKUP_OIDC_AUDIENCE: AUDIENCE },
		env: {
			ACTIONS_ID_TOKEN_REQUEST_URL: `${github.url}/token?api-version=2.0`,
			ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'of-the-runner',
		},
	});
}

test('the workflow makes a backup without a secret', async () => {
	claims = {};
	const run = await backUp();
	expect(run.errors).toEqual([]);
	expect(run.exitCode).toBe(0);
	expect(cells(run.summary)['Name']).toMatch(/^full_backup_/);
});

test.for([
	['another repository', { repository_id: '75' }, 'token_not_allowed'],
	['another branch', { ref: 'refs/heads/mine' }, 'token_not_allowed'],
	['a pull request', { event_name: 'pull_request' }, 'token_not_allowed'],
	['another audience', { aud: 'https://github.com/octo-org' }, 'token_invalid'],
] as const)('a token from %s makes no backup', async ([, changed, code]) => {
	claims = changed;
	const run = await backUp();
	expect(run.exitCode).not.toBe(0);
	expect(run.errors.join()).toContain(code);
});
