import { env } from 'cloudflare:workers';
import { beforeAll, beforeEach, expect, test } from 'vitest';
import type { Environment } from '../../environment.ts';
import { API, call, expectError, makeBackup } from '../../../../../tests/calls.ts';
import { answerAt } from '../../../../../tests/receivers.ts';
import { reset } from '../../../../../tests/reset.ts';
import {
	AUDIENCE,
	type IssuerKey,
	makeKey,
	mint,
	REPOSITORY_ID,
} from '../../../../../tests/tokens.ts';
import { DELETE, GET as getFile, HEAD, POST as postFile } from './file.ts';
import { GET, POST } from './backups.ts';

// What a workflow may do with a token of GitHub Actions.

const ISSUER = 'https://routes-issuer.example';
const accepting: Partial<Environment> = {
	BACKUP_OIDC_REPOSITORY_ID: REPOSITORY_ID,
	BACKUP_OIDC_AUDIENCE: AUDIENCE,
	BACKUP_OIDC_ISSUER: ISSUER,
};

let key: IssuerKey;

beforeAll(async () => {
	key = await makeKey('one');
	const body = JSON.stringify({ keys: [key.jwk] });
	await answerAt(`${ISSUER}/.well-known/jwks`, { body });
});
beforeEach(reset);

/** A request with a new token. */
async function request(url: string, init: RequestInit = {}): Promise<Request> {
	const asked = new Request(url, init);
	const claims = { jti: crypto.randomUUID() };
	const token = await mint(key, ISSUER, Math.floor(Date.now() / 1000), claims);
	asked.headers.set('Authorization', `Bearer ${token}`);
	return asked;
}

test('a token makes, lists and verifies backups', async () => {
	const made = await call(POST, await request(API, { method: 'POST' }), accepting);
	expect(made.status).toBe(201);
	const listed = await call(GET, await request(API), accepting);
	const { backups } = (await listed.json()) as { backups: { files: string[] }[] };
	const headers = { 'Content-Type': 'application/json' };
	const init = { method: 'POST', headers, body: '{"action":"verify"}' };
	const asked = await request(`${API}/${backups[0]?.files[0]}`, init);
	expect((await call(postFile, asked, accepting)).status).toBe(200);
});

test('a token fetches no file of a backup, unless a setting allows that', async () => {
	const { name, files } = await makeBackup();
	for (const file of [...files, `${name}.manifest.json`]) {
		const url = `${API}/${file}`;
		const refused = await call(getFile, await request(url), accepting);
		expect(await expectError(refused, 403, 'token_may_not_fetch')).toContain('BACKUP_OIDC_FETCH');
		const head = await call(HEAD, await request(url, { method: 'HEAD' }), accepting);
		expect(head.status).toBe(403);
		const allowing = { ...accepting, BACKUP_OIDC_FETCH: 'yes' };
		const fetched = await call(getFile, await request(url), allowing);
		expect(fetched.status).toBe(200);
		expect((await fetched.bytes()).length).toBeGreaterThan(0);
	}
});

test('a token neither removes backups nor decides which of them stay', async () => {
	const { name } = await makeBackup();
	const headers = { 'Content-Type': 'application/json' };
	const post = async (handler: typeof POST, url: string, body: string) =>
		call(handler, await request(url, { method: 'POST', headers, body }), accepting);
	const file = `${API}/${name}.manifest.json`;
	const answers = [
		await post(POST, API, '{"action":"prune","dryRun":false}'),
		await post(postFile, file, '{"action":"pin"}'),
		await post(postFile, file, '{"action":"unpin"}'),
		await post(postFile, file, '{"action":"unmark"}'),
		await call(DELETE, await request(file, { method: 'DELETE' }), accepting),
	];
	for (const answer of answers) await expectError(answer, 403, 'token_may_not_remove');
	const keys = (await env.MY_BUCKET.list({ prefix: 'keep/' })).objects.map(({ key }) => key);
	expect(keys).toEqual([]);
	expect((await post(POST, API, '{"action":"prune"}')).status).toBe(200);
});
