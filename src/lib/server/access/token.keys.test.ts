import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import {
	NOW,
	answerKeys,
	check,
	fetches,
	invalid,
	key,
	newIssuer,
	other,
	publish,
	token,
} from '../../../../tests/issuer.ts';
import { shortenWaits } from '../../../../tests/fast-waits.ts';

const MINUTE = 60_000;

const unreachable = { code: 'issuer_unreachable', status: 503, retryable: true };

beforeEach(newIssuer);

afterEach(() => {
	vi.useRealTimers();
});

describe('the keys of the issuer', () => {
	test('rotate: a new key is accepted after the cooldown, an old one until the keys are refreshed', async () => {
		await check(await token());
		await publish([other]);
		await expect(check(await token({}, other))).rejects.toMatchObject(invalid('signature'));
		vi.setSystemTime(NOW + 6000);
		await expect(check(await token({}, other))).resolves.toBeTruthy();
		await expect(check(await token())).rejects.toMatchObject(invalid('signature'));
	});

	test('are fetched again after ten minutes, even if no token names a new one', async () => {
		await check(await token());
		await publish([other]);
		vi.setSystemTime(NOW + 9 * MINUTE);
		await expect(check(await token())).resolves.toBeTruthy();
		vi.setSystemTime(NOW + 10 * MINUTE);
		await expect(check(await token())).rejects.toMatchObject(invalid('signature'));
	});

	test('are not fetched for every token that names an unknown key', async () => {
		for (let n = 0; n < 100; n++) {
			vi.setSystemTime(NOW + n * 100);
			const forged = await token({}, { ...other, kid: `no-${n}` });
			await expect(check(forged)).rejects.toMatchObject(invalid('signature'));
		}
		expect((await fetches()).length).toBe(2); // 9.9 seconds
	});

	test('need no id while there is only one', async () => {
		const nameless = { ...key, kid: undefined };
		await expect(check(await token({}, nameless))).resolves.toBeTruthy();
		vi.setSystemTime(NOW + 10 * MINUTE);
		await publish([key, other]);
		await expect(check(await token({}, nameless))).rejects.toMatchObject(invalid('signature'));
	});

	test.for([
		['an error', { status: 500 }],
		['a redirect', { status: 302, headers: { Location: 'https://evil.test/jwks' } }],
		['a page', { body: '<html>' }],
		['something else', { body: '{"keys":{}}' }],
		['no keys', { body: '{}' }],
		['a broken key', { body: '{"keys":[{"kty":"RSA","kid":"key-1","n":"!","e":"AQAB"}]}' }],
	] as const)('cannot be had: %s', async ([, answer]) => {
		await answerKeys(answer);
		await expect(check(await token())).rejects.toMatchObject(unreachable);
		await publish([key]);
		vi.setSystemTime(NOW + 10 * MINUTE);
		await expect(check(await token())).resolves.toBeTruthy();
		expect(await fetches('evil.test')).toEqual([]);
	});

	test('cannot be fetched if the issuer answers too late', async () => {
		shortenWaits();
		await publish([key], { wait: 10_000 });
		await expect(check(await token())).rejects.toMatchObject(unreachable);
	});
});
