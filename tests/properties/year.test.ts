import { reset } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { beforeAll, beforeEach, expect, test } from 'vitest';
import { answerAt } from '../receivers.ts';
import { AUDIENCE, type IssuerKey, makeKey, mint, REPOSITORY_ID } from '../tokens.ts';
import { TOTP } from '../../src/lib/totp.js';
import { LifeboatError } from '../../src/lib/server/errors.ts';
import { admit } from '../../src/lib/server/access/index.ts';
import type { AccessSettings } from '../../src/lib/server/access/settings.ts';

// Guessing for a year, by the clock that the calls are given.

const ISSUER = 'https://year.example';
const DAY = 86_400_000;
const YEAR = 365 * DAY;
const START = Date.UTC(2026, 10, 25);
const GUESSES = 100_000;
/** How many guesses there are between two calls of somebody who may. */
const LAWFUL_EVERY = 1000;

const totp = new TOTP('GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ');
const apiKey = 'a-key-of-at-least-thirty-two-characters';
const open: AccessSettings = {
	...{ bucket: env.MY_BUCKET, totp, apiKey: null, addresses: null },
	previous: new TOTP('JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP'),
	token: {
		issuer: ISSUER,
		audience: AUDIENCE,
		repositoryId: REPOSITORY_ID,
		ref: 'refs/heads/main',
	},
};
const keyed = { ...open, apiKey };

let key: IssuerKey;

beforeAll(async () => {
	key = await makeKey('one');
	const body = JSON.stringify({ keys: [key.jwk] });
	await answerAt(`${ISSUER}/.well-known/jwks`, { body });
});
beforeEach(reset);

/** What becomes of a call with this bearer: a kind of caller, or a code. */
async function call(
	settings: AccessSettings,
	now: number,
	bearer: string,
	{ address = '192.0.2.1', headers = {} } = {},
): Promise<string> {
	const request = new Request(AUDIENCE, {
		headers: { Authorization: `Bearer ${bearer}`, ...headers },
	});
	try {
		return (await admit(settings, request, address, now)).kind;
	} catch (error) {
		if (error instanceof LifeboatError) return error.code;
		throw error;
	}
}

function token(now: number): Promise<string> {
	return mint(key, ISSUER, Math.floor(now / 1000), { jti: crypto.randomUUID() });
}

const addressOf = (i: number) => `203.0.${113 + Math.floor(i / 250)}.${i % 250}`;

/** Guesses for a year; returns how many were looked at. */
async function guess(settings: AccessSettings, addresses: number): Promise<number> {
	let looked = 0;
	for (let i = 0; i < GUESSES; i++) {
		const now = START + Math.floor((i * YEAR) / GUESSES);
		const text = String((i * 7919) % 1_000_000).padStart(6, '0');
		const outcome = await call(settings, now, text, { address: addressOf(i % addresses) });
		if (!['throttled', 'access_locked', 'api_key_missing'].includes(outcome)) looked++;
		if (i % LAWFUL_EVERY !== 0) continue;
		const code = await totp.generateTOTP(now / 1000);
		expect(await call(keyed, now, code, { headers: { 'X-API-Key': apiKey } })).toBe('code');
		expect(await call(settings, now, await token(now))).toBe('token');
	}
	return looked;
}

// Six codes of a million are right at a time, those of the secret before this one included. The guess
// that closes the lock is looked at as well.
const probability = (looked: number) => 1 - (1 - 6e-6) ** (looked + 1);

test.for([1, 1000])(
	'from %i addresses is in vain, and shuts no caller out',
	{
		timeout: 600_000,
	},
	async (addresses) => {
		const looked = await guess(open, addresses);
		expect(looked).toBeGreaterThan(3);
		expect(probability(looked)).toBeLessThan(1 / 10_000);
	},
);

test('without the API key no code is looked at', { timeout: 600_000 }, async () => {
	expect(await guess(keyed, 1000)).toBe(0);
});
