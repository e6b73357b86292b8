import { env } from 'cloudflare:workers';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { reset } from '../../../../tests/reset.ts';
import { untouchable } from '../../../../tests/calls.ts';
import { answerAt } from '../../../../tests/receivers.ts';
import {
	AUDIENCE,
	type IssuerKey,
	makeKey,
	mint,
	REPOSITORY_ID,
} from '../../../../tests/tokens.ts';
import { TOTP } from '../../totp.js';
import type { R2Bucket } from '../platform.ts';
import { allowedAddresses } from './addresses.ts';
import { admit } from './index.ts';
import { MAX_WRONG } from './lockout.ts';
import type { AccessSettings } from './settings.ts';

const ISSUER = 'https://admit.example';
const KEY = 'a-key-of-at-least-thirty-two-characters';
const totp = new TOTP('GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ');
const token = {
	issuer: ISSUER,
	audience: AUDIENCE,
	repositoryId: REPOSITORY_ID,
	ref: 'refs/heads/main',
	...{ workflows: [], environment: null, mayFetch: false },
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

const WRONG = { at: Date.now(), network: '192.0.2.1' };
const LOCKED = { wrong: Array<typeof WRONG>(MAX_WRONG).fill(WRONG), right: [] };

const fresh = () => mint(key, ISSUER, Math.floor(Date.now() / 1000), { jti: crypto.randomUUID() });
const code = () => totp.generateTOTP(Date.now() / 1000);
const longCode = (generator = totp) => generator.generateLongCode(Date.now() / 1000);

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

describe('the long code', () => {
	const previous = new TOTP('JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP');
	const changes = { apiKey: null, previous };
	const withoutBucket = { changes: { ...changes, bucket: untouchable<R2Bucket>() } };

	test.for([totp, previous])('passes without a look at the bucket', async (generator) => {
		expect(await call(await longCode(generator), withoutBucket)).toBe('code');
	});

	test.for<[string, () => string | Promise<string>]>([
		['that is wrong', () => 'A'.repeat(32)],
		['of another secret', () => longCode(new TOTP('A'.repeat(32)))],
		['from two minutes ago', () => totp.generateLongCode(Date.now() / 1000 - 120)],
		['that is the secret itself', () => 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ'],
	])('%s is refused without a look at the bucket', async ([, bearer]) => {
		for (let i = 0; i < 2 * MAX_WRONG; i++) {
			expect(await call(await bearer(), withoutBucket)).toBe('code_invalid');
		}
	});

	test('passes during a lockout and a wait of its own address, as six digits do not', async () => {
		expect(await call('000000', { changes })).toBe('code_invalid');
		expect(await call(await code(), { changes })).toBe('throttled');
		expect(await call(await longCode(), { changes })).toBe('code');
		await env.MY_BUCKET.put('access/guesses.json', JSON.stringify(LOCKED));
		expect(await call(await code(), { changes })).toBe('access_locked');
		expect(await call(await longCode(), { changes })).toBe('code');
		expect(await call(await longCode(previous), { changes })).toBe('code');
		expect(await (await env.MY_BUCKET.get('access/guesses.json'))?.json()).toEqual(LOCKED);
	});

	test('does not replace the API key', async () => {
		expect(await call(await longCode())).toBe('api_key_missing');
		const headers = { 'X-API-Key': `${KEY}x` };
		expect(await call(await longCode(), { headers })).toBe('api_key_invalid');
		expect(await call(await longCode(), { headers: { 'X-API-Key': KEY } })).toBe('code');
	});

	test.for([totp, previous])(
		'is spent with its six digits, and they with it',
		async (generator) => {
			const now = Date.now();
			const admitted = async (bearer: string) => {
				const headers = { Authorization: `Bearer ${bearer}` };
				const request = new Request(AUDIENCE, { headers });
				return admit({ ...settings, ...changes }, request, '192.0.2.1', now);
			};
			const forms = async (seconds: number) => [
				await admitted(await generator.generateTOTP(seconds)),
				await admitted(await generator.generateLongCode(seconds)),
			];
			for (const off of [-30, 0, 30]) {
				const [first, second] = await forms(now / 1000 + off);
				const [one, other] = off === 0 ? [second, first] : [first, second];
				await one?.spend();
				await expect(other?.spend()).rejects.toMatchObject({ code: 'code_spent', status: 401 });
				await expect(one?.spend()).rejects.toMatchObject({ code: 'code_spent' });
			}
		},
	);

	test('is used up once by many simultaneous calls with either form', async () => {
		const now = Date.now();
		const bearers = [await totp.generateTOTP(now / 1000), await totp.generateLongCode(now / 1000)];
		const calls = Array.from({ length: 20 }, async (_, i) => {
			const headers = { Authorization: `Bearer ${bearers[i % 2]}` };
			const request = new Request(AUDIENCE, { headers });
			const caller = await admit({ ...settings, ...changes }, request, '192.0.2.1', now);
			return caller.spend();
		});
		const outcomes = await Promise.allSettled(calls);
		expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
	});
});
