import fc from 'fast-check';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { SEED, base32 } from '../../tests/totp-codes.ts';
import { settings } from '../../tests/databases/settings.ts';
import { TOTP } from './totp.js';

// The long form of the codes. tests/long-code.test.ts compares it with openssl and with docs/api.md.

const CODES = [0, 30, 60, 90].map((seconds) => new TOTP(SEED).generateLongCode(seconds));
const secrets = fc.uint8Array({ minLength: 16, maxLength: 64 }).map(base32);
const seconds = fc.integer({ min: 61, max: 2 ** 40 });

afterEach(() => {
	vi.restoreAllMocks();
});

describe('a long code', () => {
	test('is that of docs/api.md', async () => {
		expect(await Promise.all(CODES.slice(0, 2))).toEqual([
			'O1-iwNmUd35sXWADuq4k_C4nSBBcI46v',
			'CK1hu01IvaUIKntSjklQm9XlrTwa_Moq',
		]);
	});

	test('has the form of one, and not of six digits or a token', async () => {
		await fc.assert(
			fc.asyncProperty(secrets, seconds, async (secret, time) => {
				const totp = new TOTP(secret);
				const code = await totp.generateLongCode(time);
				expect(code).toMatch(/^[A-Za-z0-9_-]{32}$/);
				expect([totp.isLongCode(code), totp.isCode(code)]).toEqual([true, false]);
				expect(totp.isLongCode(await totp.generateTOTP(time))).toBe(false);
			}),
			settings(200).check,
		);
	});

	test('is valid for exactly one step, whose length is in seconds', async () => {
		const [zero, one, two] = await Promise.all(CODES);
		const totp = new TOTP(SEED);
		const times = [29.999, 30, 59.999, 60].map((time) => totp.generateLongCode(time));
		expect(await Promise.all(times)).toEqual([zero, one, one, two]);
		expect(await new TOTP(SEED, 6, 60).generateLongCode(119)).toBe(one);
	});

	test('is the same whatever the digits and the algorithm are', async () => {
		const other = new TOTP(SEED, 8, 30, { algorithm: 'SHA-512' });
		expect(await other.generateLongCode(30)).toBe(await CODES[1]);
	});

	test.for([-1, -0.001, NaN, Infinity, -Infinity, 2 ** 60])(
		'has no time of %d seconds',
		async (time) => {
			await expect(new TOTP(SEED).generateLongCode(time)).rejects.toThrow(RangeError);
		},
	);

	test('derives its key once, and six digits never do', async () => {
		const deriveKey = vi.spyOn(crypto.subtle, 'deriveKey');
		const totp = new TOTP(SEED);
		await totp.verify('000000', 59_000);
		expect(deriveKey).not.toHaveBeenCalled();
		await totp.generateLongCode(59);
		await totp.verify('A'.repeat(32), 59_000);
		expect(deriveKey).toHaveBeenCalledTimes(1);
	});
});

describe('verify', () => {
	test('accepts a long code that is up to 30 seconds off', async () => {
		const drift = fc.integer({ min: -30_000, max: 30_000 });
		await fc.assert(
			fc.asyncProperty(secrets, seconds, drift, async (secret, time, off) => {
				const totp = new TOTP(secret);
				expect(await totp.verify(await totp.generateLongCode(time), time * 1000 + off)).toBe(true);
			}),
			settings(1000).check,
		);
	});

	test('refuses a long code that is more than a minute off, or of another secret', async () => {
		const drift = fc.constantFrom(-61, 61, -90, 90, -3600, 3600, -86_400, 86_400);
		await fc.assert(
			fc.asyncProperty(secrets, secrets, seconds, drift, async (secret, other, time, off) => {
				fc.pre(time + off >= 0 && secret !== other);
				const code = await new TOTP(secret).generateLongCode(time);
				expect(await new TOTP(secret).verify(code, (time + off) * 1000)).toBe(false);
				expect(await new TOTP(other).verify(code, time * 1000)).toBe(false);
			}),
			settings(1000).check,
		);
	});

	test('refuses a long code with any one character changed', async () => {
		const characters = fc.constantFrom(...'AZaz09-_');
		await fc.assert(
			fc.asyncProperty(seconds, fc.nat(31), characters, async (time, at, character) => {
				const totp = new TOTP(SEED);
				const code = await totp.generateLongCode(time);
				fc.pre(code[at] !== character);
				const changed = code.slice(0, at) + character + code.slice(at + 1);
				expect(await totp.verify(changed, time * 1000)).toBe(false);
			}),
			settings(1000).check,
		);
	});

	test('accepts exactly the previous, current and next step, as for six digits', async () => {
		const totp = new TOTP(SEED);
		const steps = CODES.map(async (code) => totp.match(await code, 75_000));
		expect(await Promise.all(steps)).toEqual([null, 1, 2, 3]);
		expect(await totp.match((await CODES[0]) ?? '', 0)).toBe(0);
	});

	test.for([
		'',
		'A'.repeat(31),
		'A'.repeat(33),
		`${'A'.repeat(31)}=`,
		`${'A'.repeat(31)}+`,
		`${'A'.repeat(31)}/`,
		`${'A'.repeat(31)}.`,
		`${'A'.repeat(31)} `,
		`${'A'.repeat(31)}\n`,
		`${'A'.repeat(32)}\n`,
		`${'A'.repeat(31)}\u0391`, // a Greek capital
	])('"%s" is not a long code, and nothing is computed', async (token) => {
		const sign = vi.spyOn(crypto.subtle, 'sign');
		const totp = new TOTP(SEED);
		expect([totp.isLongCode(token), await totp.verify(token, 59_000)]).toEqual([false, false]);
		expect(sign).not.toHaveBeenCalled();
	});

	test('a value that is not text is not a long code', async () => {
		const totp = new TOTP(SEED);
		for (const token of [[await CODES[1]], { length: 32 }]) {
			expect(await totp.verify(token as never, 59_000)).toBe(false);
		}
	});

	test('compares all three codes to their ends, whichever matches and wherever one differs', async () => {
		const totp = new TOTP(SEED);
		const codes = await Promise.all(CODES.slice(1));
		const changed = codes.flatMap((code) => [`_${code.slice(1)}`, `${code.slice(0, -1)}_`]);
		for (const token of [...codes, ...changed]) {
			const sign = vi.spyOn(crypto.subtle, 'sign');
			const read = vi.spyOn(String.prototype, 'charCodeAt');
			await totp.verify(token, 75_000);
			expect(sign).toHaveBeenCalledTimes(3);
			expect(read).toHaveBeenCalledTimes(3 * 2 * 32);
			vi.restoreAllMocks();
		}
	});
});
