import fc from 'fast-check';
import { base64url, exportSPKI, SignJWT } from 'jose';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import {
	SECONDS,
	check,
	fetches,
	invalid,
	key,
	newIssuer,
	other,
	settings,
	token,
} from '../../../../tests/issuer.ts';
import { settings as checks } from '../../../../tests/databases/settings.ts';
import { AUDIENCE, type Claims, claimsOf, makeKey } from '../../../../tests/tokens.ts';
import { looksLikeToken } from './token.ts';

beforeEach(newIssuer);

afterEach(() => {
	vi.useRealTimers();
});

describe('a token of the right run', () => {
	test.for(['schedule', 'workflow_dispatch', 'workflow_run'])(
		'triggered by %s passes',
		async (event_name) => {
			await expect(check(await token({ event_name }))).resolves.toBeTruthy();
		},
	);

	test('has a unique id that is safe in a key, whatever its jti', async () => {
		const id = async (jti: string) => (await check(await token({ jti }))).id;
		const ids = await Promise.all(['a', 'b', '../a', 'a'.repeat(1000), '\u0000'].map(id));
		expect(new Set(ids).size).toBe(ids.length);
		for (const each of ids) expect(each).toMatch(/^[0-9a-f]{64}$/);
		expect(await id('a')).toBe(ids[0]);
	});

	test.for([
		['for its time', {}],
		['for 15 minutes at most', { exp: SECONDS + 1_000_000 }],
		['up to a fraction of a second', { exp: SECONDS + 0.5, iat: SECONDS - 0.5 }],
	] as const)('passes %s, but not from `until` on', async ([, claims]) => {
		const signed = await token(claims);
		const { until } = await check(signed);
		await expect(check(signed, until - 1100)).resolves.toEqual({ id: expect.any(String), until });
		await expect(check(signed, until)).rejects.toMatchObject(invalid('time'));
	});

	test('may have its audience in an array', async () => {
		await expect(check(await token({ aud: [AUDIENCE] }))).resolves.toBeTruthy();
	});

	test('is checked with keys fetched once, from the path where GitHub publishes them', async () => {
		for (let n = 0; n < 5; n++) await check(await token({ jti: `${n}` }));
		expect(await fetches()).toEqual([`${settings.issuer}/.well-known/jwks`]);
	});
});

describe('a token with a wrong claim', () => {
	test.for([
		['issuer', { iss: 'https://token.actions.githubusercontent.com' }],
		['issuer', { iss: undefined }],
		['audience', { aud: 'https://github.com/octo-org' }],
		['audience', { aud: `${AUDIENCE}/` }],
		['audience', { aud: undefined }],
		['audience', { aud: [] }],
		['audience', { aud: [AUDIENCE, 'https://other.example.com'] }],
		['audience', { aud: [AUDIENCE, AUDIENCE] }],
		['time', { exp: SECONDS - 11 }],
		['time', { exp: undefined }],
		['time', { exp: null }],
		['time', { exp: `${SECONDS + 300}` }],
		['time', { nbf: SECONDS + 11 }],
		['time', { nbf: undefined }],
		['time', { iat: SECONDS + 11 }],
		['time', { iat: SECONDS - 15 * 60 - 11 }],
		['time', { iat: undefined }],
		['form', { jti: undefined }],
		['form', { jti: '' }],
		['form', { jti: 7 }],
	] as [string, Claims][])('is invalid because of its %s: %o', async ([fault, claims]) => {
		await expect(check(await token(claims))).rejects.toMatchObject(invalid(fault));
	});

	test.for([
		['BACKUP_OIDC_REPOSITORY_ID', { repository_id: '75' }],
		['BACKUP_OIDC_REPOSITORY_ID', { repository_id: 74 }],
		['BACKUP_OIDC_REF', { ref: 'refs/heads/main2' }],
		['BACKUP_OIDC_REF', { ref: 'refs/pull/1/merge' }],
		['workflow_dispatch', { event_name: 'pull_request_target' }],
		['workflow_dispatch', { event_name: 'push' }],
		['does not say', { repository_id: undefined }],
		['does not say', { ref: undefined }],
		['does not say', { event_name: undefined }],
	] as [string, Claims][])('is not allowed, with hint %s: %o', async ([hint, claims]) => {
		await expect(check(await token(claims))).rejects.toMatchObject({
			...{ code: 'token_not_allowed', status: 403 },
			hint: expect.stringContaining(hint),
		});
	});

	test.for([
		{ exp: SECONDS - 9 },
		{ nbf: SECONDS + 10 },
		{ iat: SECONDS + 10 },
		{ iat: SECONDS - 15 * 60 - 10 },
	])('passes if the clocks differ by a few seconds: %o', async (claims) => {
		await expect(check(await token(claims))).resolves.toBeTruthy();
	});

	test('is refused without echoing any of its values', async () => {
		const error = await check(await token({ aud: 'https://a-secret.test' })).catch(String);
		expect(JSON.stringify(error)).not.toContain('a-secret');
	});
});

describe('a token with a wrong signature', () => {
	test.for(['', 'c2lnbmF0dXJl'])(
		'is refused with the algorithm none and the signature "%s"',
		async (end) => {
			const { payload } = parts(await token());
			const unsigned = `${encodeText(JSON.stringify({ alg: 'none', typ: 'JWT', kid: 'key-1' }))}.${payload}.${end}`;
			expect(looksLikeToken(unsigned)).toBe(true);
			await expect(check(unsigned)).rejects.toMatchObject(invalid('algorithm'));
			expect(await fetches()).toEqual([]);
		},
	);

	test('is refused if signed by HS256 with the public key as the secret, in any form', async () => {
		const jwk = JSON.stringify(key.jwk);
		const pem = await exportSPKI(key.publicKey);
		for (const secret of [
			pem,
			pem.trim(),
			jwk,
			key.jwk.n ?? '',
			JSON.stringify({ keys: [key.jwk] }),
		]) {
			const forged = await new SignJWT(claimsOf(settings.issuer, SECONDS))
				.setProtectedHeader({ alg: 'HS256', kid: 'key-1' })
				.sign(new TextEncoder().encode(secret));
			await expect(check(forged)).rejects.toMatchObject(invalid('algorithm'));
		}
	});

	test('is refused if signed with an RSA algorithm that the issuer does not use', async () => {
		const pss = await makeKey('key-1', 'PS256');
		await expect(check(await token({}, pss))).rejects.toMatchObject(invalid('algorithm'));
	});

	test('is refused if signed with another key under the right id, or with a key it supplies', async () => {
		const forged = await token({}, { ...other, kid: 'key-1' });
		await expect(check(forged)).rejects.toMatchObject(invalid('signature'));
		for (const header of [{ jwk: other.jwk }, { jku: 'https://evil.test/jwks' }]) {
			const own = await token({}, other, header);
			await expect(check(own)).rejects.toMatchObject(invalid('signature'));
		}
		expect(await fetches('evil.test')).toEqual([]);
	});

	test('is refused with the header or the payload of another token', async () => {
		const good = parts(await token());
		const { payload } = parts(await token({ repository_id: '75' }));
		const mixed = `${good.header}.${payload}.${good.signature}`;
		await expect(check(mixed)).rejects.toMatchObject(invalid('signature'));
	});

	test('is refused with one character changed', async () => {
		const good = await token();
		const alphabet = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.'];
		// Not the last one: 256 bytes do not use all of its bits.
		const place = fc.nat(good.length - 2);
		await fc.assert(
			fc.asyncProperty(place, fc.constantFrom(...alphabet), async (at, character) => {
				fc.pre(good[at] !== character);
				const changed = good.slice(0, at) + character + good.slice(at + 1);
				await expect(check(changed)).rejects.toMatchObject({ code: 'token_invalid', status: 401 });
			}),
			checks(1000).check,
		);
	});

	test('is refused if it is junk', async () => {
		const part = fc.oneof(fc.base64String(), fc.string(), fc.json().map(encodeText));
		const junk = fc.array(part, { maxLength: 5 }).map((all) => all.join('.'));
		await fc.assert(
			fc.asyncProperty(fc.oneof(junk, fc.string({ unit: 'binary' })), async (text) => {
				await expect(check(text)).rejects.toMatchObject({ code: 'token_invalid', status: 401 });
			}),
			checks(1000).check,
		);
	});

	test('is refused if it is longer than any real token', async () => {
		const long = await token({ padding: 'x'.repeat(8192) });
		await expect(check(long)).rejects.toMatchObject(invalid('form'));
		expect(await fetches()).toEqual([]);
	});
});

test('a code does not look like a token', () => {
	for (const text of [
		'123456',
		'',
		'12345678',
		'a.b',
		'a.b.c.d',
		'a.b.c d',
		'.b.c',
		'a..c',
		'ä.b.c',
	]) {
		expect(looksLikeToken(text)).toBe(false);
	}
});

function parts(text: string) {
	const [header, payload, signature] = text.split('.');
	return { header, payload, signature };
}

function encodeText(text: string): string {
	return base64url.encode(new TextEncoder().encode(text));
}
