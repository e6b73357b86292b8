import { env } from 'cloudflare:workers';
import fc from 'fast-check';
import { beforeAll, beforeEach, expect, test } from 'vitest';
import { reset } from '../reset.ts';
import { counted, SEED } from '../counts.ts';
import { answerAt } from '../receivers.ts';
import { AUDIENCE, type IssuerKey, makeKey, mint, REPOSITORY_ID } from '../tokens.ts';
import { TOTP } from '../../src/lib/totp.js';
import { LifeboatError } from '../../src/lib/server/errors.ts';
import { admit } from '../../src/lib/server/access/index.ts';
import type { AccessSettings } from '../../src/lib/server/access/settings.ts';

// Guesses codes for a year, on a clock that is passed to each call.

const ISSUER = 'https://year.example';
const DAY = 86_400_000;
const YEAR = 365 * DAY;
const START = Date.UTC(2026, 10, 25);
/**
 * The number of guesses at random moments, most of them too early; others come as soon as they are
 * allowed.
 */
const EARLY_GUESSES = counted(8_000);
/** The number of these guesses between two calls of a legitimate caller. */
const LEGITIMATE_EVERY = 10;
/** Printed by a failure, so that it can be replayed. */
const FOR_REPLAY = `LIFEBOAT_SEED=${SEED}`;
/** Stops guessing if no lock does. */
const TOO_MANY = 100;

const totp = new TOTP('GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ');
const apiKey = 'a-key-of-at-least-thirty-two-characters';
const open: AccessSettings = {
	bucket: env.MY_BUCKET,
	totp,
	apiKey: null,
	addresses: null,
	previous: new TOTP('JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP'),
	token: {
		issuer: ISSUER,
		audience: AUDIENCE,
		repositoryId: REPOSITORY_ID,
		ref: 'refs/heads/main',
	},
};
const keyed = { ...open, apiKey };

/** Error codes that reveal nothing about the code that was sent. */
const REFUSED = ['throttled', 'access_locked', 'api_key_missing'];

let key: IssuerKey;

beforeAll(async () => {
	key = await makeKey('one');
	const body = JSON.stringify({ keys: [key.jwk] });
	await answerAt(`${ISSUER}/.well-known/jwks`, { body });
});
beforeEach(reset);

/** The outcome of a call with this bearer: a kind of caller, or an error code. */
async function call(
	settings: AccessSettings,
	now: number,
	bearer: string,
	{ address = '192.0.2.1', headers = {} } = {},
): Promise<string | LifeboatError> {
	const request = new Request(AUDIENCE, {
		headers: { Authorization: `Bearer ${bearer}`, ...headers },
	});
	try {
		return (await admit(settings, request, address, now)).kind;
	} catch (error) {
		if (error instanceof LifeboatError) return error;
		throw error;
	}
}

function token(now: number): Promise<string> {
	return mint(key, ISSUER, Math.floor(now / 1000), { jti: crypto.randomUUID() });
}

/** Guesses one code after another, from each of the addresses in turn. */
class Guesser {
	/** The number of codes that were compared. */
	looked = 0;
	#guesses = 0;
	readonly #settings: AccessSettings;
	readonly #addresses: number;

	constructor(settings: AccessSettings, addresses: number) {
		this.#settings = settings;
		this.#addresses = addresses;
	}

	/** Guesses once. Returns the earliest time for the next guess, as the refusal states it. */
	async guess(now: number): Promise<number> {
		const i = this.#guesses++ % this.#addresses;
		const address = `203.0.${113 + Math.floor(i / 250)}.${i % 250}`;
		const text = String((this.#guesses * 7919) % 1_000_000).padStart(6, '0');
		const outcome = await call(this.#settings, now, text, { address });
		if (typeof outcome === 'string' || !REFUSED.includes(outcome.code)) {
			this.looked++;
			return now;
		}
		return now + (outcome.retryAfter ?? YEAR / 1000) * 1000;
	}
}

async function expectLegitimateCallers(settings: AccessSettings, now: number): Promise<void> {
	const code = await totp.generateTOTP(now / 1000);
	const headers = { 'X-API-Key': apiKey };
	expect(await call(keyed, now, code, { headers }), FOR_REPLAY).toBe('code');
	expect(await call(settings, now, await token(now)), FOR_REPLAY).toBe('token');
}

/** Guesses for a year, whenever allowed and at random moments; returns the number of codes compared. */
async function guessForAYear(settings: AccessSettings, addresses: number): Promise<number> {
	const guesser = new Guesser(settings, addresses);
	const moments = fc.sample(fc.nat(YEAR - 1), { numRuns: EARLY_GUESSES, seed: SEED });
	let allowed = START;
	for (const [count, moment] of moments.toSorted((a, b) => a - b).entries()) {
		const now = START + moment;
		while (allowed <= now && guesser.looked < TOO_MANY) allowed = await guesser.guess(allowed);
		await guesser.guess(now);
		if (count % LEGITIMATE_EVERY === 0) await expectLegitimateCallers(settings, now);
	}
	return guesser.looked;
}

// At any time six codes in a million are right, including those of the previous secret. The guess that
// triggers the lockout is compared too.
const probability = (looked: number) => 1 - (1 - 6e-6) ** (looked + 1);

test.for([1, 1000])(
	'a year of guesses from %i addresses finds no code and locks out no legitimate caller',
	async (addresses) => {
		const looked = await guessForAYear(open, addresses);
		expect(looked, FOR_REPLAY).toBeGreaterThan(3);
		expect(probability(looked), FOR_REPLAY).toBeLessThan(1 / 10_000);
	},
);

test('without the API key no code is compared', async () => {
	expect(await guessForAYear(keyed, 1000), FOR_REPLAY).toBe(0);
});
