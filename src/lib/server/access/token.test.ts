import { reset } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { exportSPKI, importJWK, type JWTPayload, SignJWT } from 'jose';
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import {
	answerAt,
	type IssuerKey,
	makeKey,
	publish,
	sign,
	timesAsked,
} from '../../../../tests/issuer.ts';
import { TOTP } from '../../totp.js';
import { admit } from './index.ts';
import { checkToken, looksLikeToken, tokenSettings } from './token.ts';

const APP = 'https://app.example.com';
const GITHUB = 'https://token.actions.githubusercontent.com';
const SETTINGS = { issuer: GITHUB, audience: APP, repositoryId: '123456', ref: 'refs/heads/main' };
const MINUTE = 60;

let key: IssuerKey;

beforeAll(async () => {
	key = await makeKey('one');
	await publish(GITHUB, key);
});
beforeEach(reset);
afterEach(() => vi.useRealTimers());

/** Seconds since 1970. */
const now = () => Math.floor(Date.now() / 1000);

/** What GitHub says of a scheduled run, with changes; undefined leaves a claim out. */
function claims(changes: JWTPayload = {}): JWTPayload {
	return {
		...{ iss: GITHUB, aud: APP, jti: crypto.randomUUID() },
		...{ iat: now(), nbf: now() - 5 * MINUTE, exp: now() + 5 * MINUTE },
		...{ sub: 'repo:octo/app:ref:refs/heads/main', repository: 'octo/app' },
		...{ repository_id: '123456', ref: 'refs/heads/main', event_name: 'schedule' },
		...changes,
	};
}

const check = (token: string, settings = SETTINGS) => checkToken(token, settings, Date.now());

async function refusal(token: string, settings = SETTINGS): Promise<string> {
	const error = await check(token, settings).catch((error: unknown) => error);
	expect(error).toMatchObject({ code: expect.any(String), status: expect.any(Number) });
	const { status, code, message, hint } = error as Record<string, string>;
	// Nothing of what was sent comes back.
	for (const part of token.split('.').filter((part) => part.length > 8)) {
		expect(`${message} ${hint}`).not.toContain(part);
	}
	return `${status} ${code}`;
}

const INVALID = '401 token_invalid';
const NOT_ALLOWED = '403 token_not_allowed';

describe('a token', () => {
	test.for(['schedule', 'workflow_dispatch', 'workflow_run'])(
		'of a %s passes',
		async (event_name) => {
			const { id, until } = await check(await sign(key, claims({ event_name })));
			expect(id).toMatch(/^token-[0-9a-f]{64}$/);
			expect(until).toBeGreaterThan(Date.now());
		},
	);

	test.for<[string, JWTPayload]>([
		['another issuer', { iss: 'https://token.actions.example.com' }],
		['another issuer of the same beginning', { iss: `${GITHUB}.example.com` }],
		['no issuer', { iss: undefined }],
		['another audience', { aud: 'https://github.com/octo' }],
		['the audience with a slash', { aud: `${APP}/` }],
		['no audience', { aud: undefined }],
		['other audiences beside', { aud: [APP, 'https://other.example.com'] }],
		['an hour ago', { exp: now() - 60 * MINUTE }],
		['a minute ago', { exp: now() - MINUTE }],
		['no end', { exp: undefined }],
		['an end that is no number', { exp: 'never' as unknown as number }],
		['no beginning', { nbf: undefined }],
		['a beginning to come', { nbf: now() + 5 * MINUTE }],
		['an issue to come', { iat: now() + 5 * MINUTE }],
		['an issue long ago', { iat: now() - 60 * MINUTE, exp: now() + 600 * MINUTE }],
		['no issue', { iat: undefined }],
		['no id', { jti: undefined }],
		['an empty id', { jti: '' }],
		['an id that is no text', { jti: 7 as unknown as string }],
	])('with %s is not valid', async ([, changes]) => {
		expect(await refusal(await sign(key, claims(changes)))).toBe(INVALID);
	});

	test.for<[string, JWTPayload]>([
		['another repository', { repository_id: '123457' }],
		['the repository as a number', { repository_id: 123456 }],
		['no repository', { repository_id: undefined }],
		['another branch', { ref: 'refs/heads/mine' }],
		['a tag', { ref: 'refs/tags/main' }],
		['no branch', { ref: undefined }],
		['a pull request', { event_name: 'pull_request' }],
		['a push', { event_name: 'push' }],
		['a pull request of a fork', { event_name: 'pull_request_target' }],
		['no event', { event_name: undefined }],
	])('of %s may not call', async ([, changes]) => {
		expect(await refusal(await sign(key, claims(changes)))).toBe(NOT_ALLOWED);
	});

	test('that nobody has signed is not valid', async () => {
		const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url');
		for (const alg of ['none', 'None', 'NONE', '']) {
			const head = encode({ alg, kid: key.kid });
			for (const signature of ['', 'AAAA']) {
				expect(await refusal(`${head}.${encode(claims())}.${signature}`)).toBe(INVALID);
			}
		}
	});

	test('that is signed with the public key as a secret is not valid', async () => {
		const publicKey = (await importJWK(key.jwk, 'RS256', { extractable: true })) as CryptoKey;
		const secrets = [
			await exportSPKI(publicKey),
			(await exportSPKI(publicKey)).trim(),
			JSON.stringify(key.jwk),
			key.jwk.n ?? '',
		];
		for (const alg of ['HS256', 'HS512']) {
			for (const secret of secrets) {
				const token = await new SignJWT(claims())
					.setProtectedHeader({ alg, kid: key.kid })
					.sign(new TextEncoder().encode(secret));
				expect(await refusal(token)).toBe(INVALID);
			}
		}
	});

	test('that somebody else has signed is not valid, by whatever name', async () => {
		const other = await makeKey('other');
		expect(await refusal(await sign(other, claims()))).toBe(INVALID);
		expect(await refusal(await sign({ ...other, kid: key.kid }, claims()))).toBe(INVALID);
		const header = { alg: 'RS256', kid: key.kid, jwk: other.jwk, jku: 'https://evil.example' };
		const own = await new SignJWT(claims()).setProtectedHeader(header).sign(other.private);
		expect(await refusal(own)).toBe(INVALID);
	});

	test('that was altered is not valid', async () => {
		const [head, , signature] = (await sign(key, claims({ ref: 'refs/heads/mine' }))).split('.');
		const payload = Buffer.from(JSON.stringify(claims())).toString('base64url');
		expect(await refusal(`${head}.${payload}.${signature}`)).toBe(INVALID);
	});

	test('that is junk is not valid', async () => {
		const text = (length: number) => 'A'.repeat(length);
		for (const junk of [
			'a.b.c',
			'e30.e30.e30',
			`${text(9000)}.${text(9)}.${text(9)}`,
			'eyJ.e30.',
		]) {
			expect(looksLikeToken(junk)).toBe(true);
			expect(await refusal(junk)).toBe(INVALID);
		}
		for (const code of ['123456', 'x', '', 'a.b', 'a.b.c.d'])
			expect(looksLikeToken(code)).toBe(false);
	});

	test('is good for one call', async () => {
		const settings = {
			...{ bucket: env.MY_BUCKET, totp: new TOTP('GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ') },
			...{ previous: null, apiKey: 'x'.repeat(32), addresses: null, token: SETTINGS },
		};
		const token = await sign(key, claims());
		const headers = { Authorization: `Bearer ${token}` };
		const calls = Array.from({ length: 10 }, () =>
			admit(settings, new Request(APP, { headers }), '192.0.2.1', Date.now()),
		);
		const outcomes = await Promise.allSettled(calls);
		const [caller, ...others] = outcomes.filter(({ status }) => status === 'fulfilled');
		expect(caller).toMatchObject({ value: { kind: 'token', previous: false } });
		expect(others).toEqual([]);
		const refused = outcomes.filter((outcome) => outcome.status === 'rejected');
		for (const { reason } of refused)
			expect(reason).toMatchObject({ code: 'token_spent', status: 401 });
		expect(refused).toHaveLength(9);
	});
});

describe('the keys of the issuer', () => {
	/** An issuer of its own, so that nothing is known of it. */
	async function issuer(): Promise<typeof SETTINGS> {
		return { ...SETTINGS, issuer: `https://${crypto.randomUUID()}.example` };
	}

	test('are fetched once, also for many tokens of keys that it does not have', async () => {
		const settings = await issuer();
		await publish(settings.issuer, key);
		const token = (kid: string) => sign(key, claims({ iss: settings.issuer }), { kid });
		for (let i = 0; i < 20; i++) await check(await token(key.kid), settings);
		for (let i = 0; i < 20; i++)
			expect(await refusal(await token(`no ${i}`), settings)).toBe(INVALID);
		expect(await timesAsked(settings.issuer)).toBe(1);
	});

	test('rotate: a new one is good soon, an old one no more once they are fetched again', async () => {
		const settings = await issuer();
		const next = await makeKey('next');
		await publish(settings.issuer, key);
		const old = () => sign(key, claims({ iss: settings.issuer }));
		await check(await old(), settings);
		await publish(settings.issuer, next);
		vi.setSystemTime(Date.now() + 10_000);
		await check(await sign(next, claims({ iss: settings.issuer })), settings);
		expect(await refusal(await old(), settings)).toBe(INVALID);
	});

	test('that it took back are good for ten minutes at most', async () => {
		const settings = await issuer();
		await publish(settings.issuer, key);
		await check(await sign(key, claims({ iss: settings.issuer })), settings);
		await publish(settings.issuer, await makeKey('next'));
		vi.setSystemTime(Date.now() + 601_000);
		expect(await refusal(await sign(key, claims({ iss: settings.issuer })), settings)).toBe(
			INVALID,
		);
	});

	test.for<[string, object]>([
		['answers 500', { status: 500 }],
		['redirects', { status: 302, headers: { Location: 'https://evil.example' } }],
		['answers no JSON', { body: '<html>' }],
		['answers other JSON', { body: '{"keys": 7}' }],
		['hangs', { wait: 20_000 }],
	])('cannot be had from one that %s; later they can', async ([, answer]) => {
		const settings = await issuer();
		const token = await sign(key, claims({ iss: settings.issuer }));
		await answerAt(`${settings.issuer}/.well-known/jwks`, answer);
		const startedAt = performance.now();
		expect(await refusal(token, settings)).toBe('503 issuer_unreachable');
		expect(performance.now() - startedAt).toBeLessThan(15_000);
		await publish(settings.issuer, key);
		await answerAt(`${settings.issuer}/.well-known/jwks`, {
			body: JSON.stringify({ keys: [key.jwk] }),
		});
		await check(token, settings);
	});
});

describe('the settings', () => {
	const good = { BACKUP_OIDC_REPOSITORY_ID: '123456', BACKUP_OIDC_AUDIENCE: `${APP}/` };

	test('are GitHub and the main branch, unless others are named', () => {
		expect(tokenSettings(good)).toEqual(SETTINGS);
		const others = {
			BACKUP_OIDC_REF: 'refs/heads/live',
			BACKUP_OIDC_ISSUER: 'https://ghe.example/x/',
		};
		const { ref, issuer } = tokenSettings({ ...good, ...others }) ?? {};
		expect([ref, issuer]).toEqual(['refs/heads/live', 'https://ghe.example/x']);
	});

	test('are none where nothing is set', () => {
		expect(tokenSettings({ BACKUP_OIDC_REF: 'refs/heads/live' })).toBeNull();
		expect(tokenSettings(undefined)).toBeNull();
	});

	test.for([
		['repository_id', { BACKUP_OIDC_REPOSITORY_ID: '' }],
		['repository_id', { BACKUP_OIDC_REPOSITORY_ID: 'octo/app' }],
		['audience', { BACKUP_OIDC_AUDIENCE: '' }],
		['audience', { BACKUP_OIDC_AUDIENCE: 'app.example.com' }],
		['audience', { BACKUP_OIDC_AUDIENCE: 'http://app.example.com' }],
		['audience', { BACKUP_OIDC_AUDIENCE: `${APP}/path` }],
		['issuer', { BACKUP_OIDC_ISSUER: 'http://issuer.example' }],
		['ref', { BACKUP_OIDC_REF: 'main' }],
	] as const)('with a bad %s are refused: %j', ([name, change]) => {
		expect(() => tokenSettings({ ...good, ...change })).toThrow(
			expect.objectContaining({ code: `backup_oidc_${name}_invalid`, status: 500 }),
		);
	});
});
