import { env } from 'cloudflare:workers';
import fc from 'fast-check';
import { afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { reset } from '../reset.ts';
import { counted, SEED } from '../counts.ts';
import { answerAt } from '../receivers.ts';
import { AUDIENCE, type IssuerKey, makeKey, mint, REPOSITORY_ID } from '../tokens.ts';
import { type Credentials, credentials } from '../../src/cli/client/credentials.ts';
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
/** The number of these guesses between two calls with a token or a phone's code. */
const LEGITIMATE_EVERY = 10;
/** Printed by a failure, so that it can be replayed. */
const FOR_REPLAY = `LIFEBOAT_SEED=${SEED}`;
/** Stops guessing if no lock does. */
const TOO_MANY = 100;

const TOTP_SECRET = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ';
const PREVIOUS = 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP';
const totp = new TOTP(TOTP_SECRET);
const apiKey = 'a-key-of-at-least-thirty-two-characters';
const open: AccessSettings = {
	bucket: env.MY_BUCKET,
	totp,
	apiKey: null,
	addresses: null,
	previous: new TOTP(PREVIOUS),
	token: {
		issuer: ISSUER,
		audience: AUDIENCE,
		repositoryId: REPOSITORY_ID,
		ref: 'refs/heads/main',
		...{ workflows: [], environment: null, mayFetch: false },
	},
};
const keyed = { ...open, apiKey };

/** Where the legitimate callers are, and where the first guesser is. */
const HOME = '192.0.2.1';
const GUESSER = '203.0.113.0';

const never = new AbortController().signal;
/** The source of the headers that every command sends, and every workflow without GitHub's tokens. */
const commands = [TOTP_SECRET, PREVIOUS].map((secret) =>
	credentials({ TOTP_SECRET: secret, BACKUP_API_KEY: apiKey }, never),
);

/** Error codes that reveal nothing about the code that was sent. */
const REFUSED = ['throttled', 'access_locked', 'api_key_missing'];

let key: IssuerKey;

beforeAll(async () => {
	key = await makeKey('one');
	const body = JSON.stringify({ keys: [key.jwk] });
	await answerAt(`${ISSUER}/.well-known/jwks`, { body });
});
beforeEach(reset);
afterEach(() => vi.useRealTimers());

/** The outcome of a call with this bearer: a kind of caller, or an error code. */
async function call(
	settings: AccessSettings,
	now: number,
	bearer: string,
	{ address = HOME, headers = {} } = {},
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
	/** Whether a guess has met the lockout, which outlasts the year. */
	isLocked = false;
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
		this.isLocked ||= outcome.code === 'access_locked';
		return now + (outcome.retryAfter ?? YEAR / 1000) * 1000;
	}
}

/** The headers of a command that calls at this time. */
async function headersAt(now: number, command: Credentials): Promise<Record<string, string>> {
	vi.setSystemTime(now);
	try {
		return await command();
	} finally {
		vi.useRealTimers();
	}
}

/** Commands get through with either secret, from the guesser's own address too. */
async function expectCommands(settings: AccessSettings, now: number): Promise<void> {
	for (const command of commands) {
		const headers = await headersAt(now, command);
		for (const address of [HOME, GUESSER]) {
			expect(await call(settings, now, '', { headers, address }), FOR_REPLAY).toBe('code');
		}
	}
}

/** GitHub's tokens get through, and a phone's six digits until they are locked out. */
async function expectOthers(settings: AccessSettings, now: number, isLocked: boolean) {
	expect(await call(settings, now, await token(now)), FOR_REPLAY).toBe('token');
	const code = await totp.generateTOTP(now / 1000);
	const headers = { 'X-API-Key': apiKey };
	expect(await call(keyed, now, code, { headers }), FOR_REPLAY).toBe('code');
	const phone = await call(settings, now, code, { headers });
	if (!isLocked) expect(phone, FOR_REPLAY).toBe('code');
	else expect(phone, FOR_REPLAY).toMatchObject({ code: 'access_locked', status: 429 });
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
		await expectCommands(settings, now);
		if (count % LEGITIMATE_EVERY === 0) await expectOthers(settings, now, guesser.isLocked);
	}
	expect(guesser.isLocked, FOR_REPLAY).toBe(settings.apiKey === null);
	return guesser.looked;
}

// At any time six codes in a million are right, including those of the previous secret. The guess that
// triggers the lockout is compared too.
const probability = (looked: number) => 1 - (1 - 6e-6) ** (looked + 1);

const patient = { timeout: 60_000 + EARLY_GUESSES * 30 };

test.for([1, 1000])(
	'a year of guesses from %i addresses finds no code and locks out nothing but six digits',
	patient,
	async (addresses) => {
		const looked = await guessForAYear(open, addresses);
		expect(looked, FOR_REPLAY).toBeGreaterThan(3);
		expect(probability(looked), FOR_REPLAY).toBeLessThan(1 / 10_000);
	},
);

test('without the API key no code is compared', patient, async () => {
	expect(await guessForAYear(keyed, 1000), FOR_REPLAY).toBe(0);
});
