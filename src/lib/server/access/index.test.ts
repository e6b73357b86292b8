import { env } from 'cloudflare:workers';
import { beforeAll, beforeEach, expect, test } from 'vitest';
import { reset } from '../../../../tests/reset.ts';
import { answerAt } from '../../../../tests/receivers.ts';
import {
	AUDIENCE,
	type IssuerKey,
	makeKey,
	mint,
	REPOSITORY_ID,
} from '../../../../tests/tokens.ts';
import { TOTP } from '../../totp.js';
import { allowedAddresses } from './addresses.ts';
import { admit } from './index.ts';
import type { AccessSettings } from './settings.ts';

const ISSUER = 'https://admit.example';
const KEY = 'a-key-of-at-least-thirty-two-characters';
const totp = new TOTP('GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ');
const token = {
	issuer: ISSUER,
	audience: AUDIENCE,
	repositoryId: REPOSITORY_ID,
	ref: 'refs/heads/main',
};
const settings: AccessSettings = {
	...{ bucket: env.MY_BUCKET, totp, previous: null, apiKey: KEY, addresses: null, token },
};

let key: IssuerKey;

beforeAll(async () => {
	key = await makeKey('one');
	const body = JSON.stringify({ keys: [key.jwk] });
	await answerAt(`${ISSUER}/.well-known/jwks`, { body });
});
beforeEach(reset);

const fresh = () => mint(key, ISSUER, Math.floor(Date.now() / 1000), { jti: crypto.randomUUID() });
const code = () => totp.generateTOTP(Date.now() / 1000);

/** The kind of caller that a request comes from, or the code of the error that refuses it. */
async function call(
	bearer: string,
	{ headers = {}, address = '192.0.2.1', changes = {} as Partial<AccessSettings> } = {},
): Promise<string> {
	const request = new Request(AUDIENCE, {
		headers: { Authorization: `Bearer ${bearer}`, ...headers },
	});
	return admit({ ...settings, ...changes }, request, address, Date.now()).then(
		({ kind }) => kind,
		(error: { code: string }) => error.code,
	);
}

test('a token passes without the key and without a code', async () => {
	expect(await call(await fresh())).toBe('token');
});

test('a token passes once, even in simultaneous calls', async () => {
	const once = await fresh();
	const outcomes = await Promise.all(Array.from({ length: 10 }, () => call(once)));
	expect(outcomes.sort()).toEqual(['token', ...Array<string>(9).fill('token_spent')]);
	expect(await call(once)).toBe('token_spent');
	expect(await call(await fresh())).toBe('token');
});

test('a token is not a code when tokens are off', async () => {
	expect(await call(await fresh(), { changes: { token: null, apiKey: null } })).toBe(
		'code_invalid',
	);
	expect(await call(await fresh(), { changes: { token: null } })).toBe('api_key_missing');
});

test('a wrong token does not count as a wrong code', async () => {
	const wrong = await mint(key, ISSUER, 1_000_000);
	for (let i = 0; i < 30; i++) expect(await call(wrong)).toBe('token_invalid');
	expect(await call(await code(), { headers: { 'X-API-Key': KEY } })).toBe('code');
});

test('calls from addresses that are not allowed never get as far as key, code or token', async () => {
	const changes = { addresses: allowedAddresses({ BACKUP_ALLOWED_IPS: '192.0.2.0/24' }) };
	const elsewhere = { address: '198.51.100.1', changes };
	expect(await call(await fresh(), elsewhere)).toBe('address_not_allowed');
	expect(await call('000000', elsewhere)).toBe('address_not_allowed');
	expect(await call('000000', { changes })).toBe('api_key_missing');
	expect(await call(await fresh(), { changes })).toBe('token');
});
