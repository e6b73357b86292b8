import { env } from 'cloudflare:workers';
import { afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { API, call, expectError, nextCode, SECRET } from '../../../../../tests/calls.ts';
import { answerAt } from '../../../../../tests/receivers.ts';
import { reset } from '../../../../../tests/reset.ts';
import {
	AUDIENCE,
	type IssuerKey,
	makeKey,
	mint,
	REPOSITORY_ID,
} from '../../../../../tests/tokens.ts';
import { TOTP } from '../../../totp.js';
import { MAX_WRONG } from '../../access/lockout.ts';
import type { Environment } from '../../environment.ts';
import { type Entry, readAuditLog } from '../../operations/audit-log.ts';
import { GET, POST } from './lockout.ts';

// Who may lift the lockout of six digits over the API, and what that leaves behind.

const LOCKOUT = `${API}/lockout`;
const KEY = 'a-key-of-at-least-thirty-two-characters';
const ISSUER = 'https://lockout-issuer.example';
const WITH_TOKENS: Partial<Environment> = {
	BACKUP_OIDC_REPOSITORY_ID: REPOSITORY_ID,
	BACKUP_OIDC_AUDIENCE: AUDIENCE,
	BACKUP_OIDC_ISSUER: ISSUER,
};

let issuer: IssuerKey;
beforeAll(async () => {
	issuer = await makeKey('one');
	const body = JSON.stringify({ keys: [issuer.jwk] });
	await answerAt(`${ISSUER}/.well-known/jwks`, { body });
});
beforeEach(async () => {
	await reset();
	vi.setSystemTime(Date.UTC(2026, 10, 26, 12));
});
afterEach(() => void vi.useRealTimers());

const totp = new TOTP(SECRET);
const digits = () => totp.generateTOTP(Date.now() / 1000);
const longCode = () => totp.generateLongCode(Date.now() / 1000);

/** A call with these credentials; `body` makes it one that changes something. */
function request(bearer: string, { body = '', key = '', address = '192.0.2.1' } = {}): Request {
	const headers = new Headers({ Authorization: `Bearer ${bearer}`, 'cf-connecting-ip': address });
	if (key !== '') headers.set('X-API-Key', key);
	if (body === '') return new Request(LOCKOUT, { headers });
	headers.set('Content-Type', 'application/json');
	return new Request(LOCKOUT, { method: 'POST', headers, body });
}

const unlock = (bearer: string, changes: Partial<Environment> = {}, key = '') =>
	call(POST, request(bearer, { body: '{"action":"unlock"}', key }), changes);

/** Sends as many wrong digits as it takes. */
async function lock(changes: Partial<Environment> = {}, key = ''): Promise<void> {
	for (let i = 1; i <= MAX_WRONG; i++) {
		const address = `198.51.100.${i}`;
		const { status } = await call(GET, request('000000', { address, key }), changes);
		expect(status).toBe(i === MAX_WRONG ? 429 : 401);
	}
}

/** The attempts to lift the lockout that the audit log has. */
async function attempts(): Promise<Entry[]> {
	const { entries } = await readAuditLog(env.MY_BUCKET, { limit: 50 });
	return entries.filter(({ operation }) => operation === 'lift_lock');
}

test('the long code lifts it, with an entry in the audit log, and six digits pass again', async () => {
	await lock();
	await expectError(await call(GET, request(await digits())), 429, 'access_locked');

	const lifted = await unlock(await longCode());
	const was = { wrong: MAX_WRONG, maxWrong: MAX_WRONG, lockedUntil: '2027-11-26T12:00:00.000Z' };
	expect([lifted.status, await lifted.json()]).toEqual([200, { success: true, lifted: was }]);
	expect(await attempts()).toMatchObject([
		{ outcome: 'done', status: 200, caller: { kind: 'code', address: '192.0.2.1' } },
	]);

	const shown = await call(GET, request(await digits()));
	const now = { wrong: 0, maxWrong: MAX_WRONG, lockedUntil: null };
	expect([shown.status, await shown.json()]).toEqual([200, now]);
});

test('neither six digits nor a token lifts it, not even while wrong codes do not lock yet', async () => {
	for (let i = 1; i < MAX_WRONG; i++) {
		await call(GET, request('000000', { address: `198.51.100.${i}` }));
	}
	const refused = await expectError(await unlock(await digits()), 403, 'long_code_needed');
	expect(refused).toContain('npm run unlock');
	const jti = crypto.randomUUID();
	const token = await mint(issuer, ISSUER, Math.floor(Date.now() / 1000), { jti });
	await expectError(await unlock(token, WITH_TOKENS), 403, 'long_code_needed');
	const refusals = (await attempts()).map(({ outcome, caller }) => `${outcome} ${caller.kind}`);
	expect(refusals.sort()).toEqual(['refused code', 'refused token']);

	const shown = await call(GET, request(await longCode()));
	expect(await shown.json()).toMatchObject({ wrong: MAX_WRONG - 1 });
});

test('a stranger lifts nothing', async () => {
	await lock();
	await expectError(await unlock('000000'), 429, 'access_locked');
	await expectError(await unlock('A'.repeat(32)), 401, 'code_invalid');
	await expectError(await call(GET, request(await digits())), 429, 'access_locked');
});

test('where there is an API key, nobody lifts it without the key', async () => {
	const changes = { BACKUP_API_KEY: KEY };
	await lock(changes, KEY);
	await expectError(await unlock(await longCode(), changes), 401, 'api_key_missing');
	await expectError(await unlock(await longCode(), changes, `${KEY}x`), 401, 'api_key_invalid');
	expect((await unlock(await longCode(), changes, KEY)).status).toBe(200);
	const shown = await call(GET, request(await digits(), { key: KEY }), changes);
	expect(await shown.json()).toMatchObject({ wrong: 0, lockedUntil: null });
});

test('lifting it spends the code, in both forms', async () => {
	expect((await unlock(await longCode())).status).toBe(200);
	await lock();
	await expectError(await unlock(await longCode()), 401, 'code_spent');
	vi.setSystemTime(Date.now() + 30_000);
	expect((await unlock(await longCode())).status).toBe(200);
});

test.for(['{}', '{"action":"backup"}', '{"action":"unlock","scope":"anyone"}', '[]'])(
	'the body %s lifts nothing and spends nothing',
	async (body) => {
		await lock();
		await expectError(await call(POST, request(await longCode(), { body })), 400, 'body_invalid');
		const shown = await call(GET, request(await longCode()));
		expect(await shown.json()).toMatchObject({ wrong: MAX_WRONG });
		expect((await unlock(await longCode())).status).toBe(200);
	},
);

test('a call without a body lifts nothing', async () => {
	const headers = { Authorization: `Bearer ${await longCode()}` };
	const asked = new Request(LOCKOUT, { method: 'POST', headers });
	await expectError(await call(POST, asked), 400, 'body_invalid');
});

test('the answers name neither networks nor secrets', async () => {
	await lock();
	const code = await longCode();
	const texts = [
		await (await call(GET, request(code))).text(),
		await (await unlock(code)).text(),
	].join();
	expect(texts).toContain('lockedUntil');
	for (const secret of ['198.51.100', SECRET, code, '000000']) expect(texts).not.toContain(secret);
	await nextCode();
});
